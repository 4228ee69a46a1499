"""Every way to sign in to Apache Kafka that a test server can offer, in real time."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import AccessDeniedError, EventflowError, UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.ports import AdapterSettings
from eventflow_kafka.clients import Clients
from eventflow_kafka.cluster import Cluster
from eventflow_kafka.options import SIGN_IN, KafkaOptions
from eventflow_kafka.security import MskTokenProvider, security
from tests.contract.embedded import WallClock
from tests.contract.kafka_topics import administration, create_topic, kafka_adapter
from tests.servers.kafka import PASSWORD, USER
from tests.servers.server import Server

pytestmark = [
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    # aiokafka does not wait for TLS to say goodbye where signing in has failed.
    pytest.mark.forgotten_sockets,
]

LISTENERS = {
    "tls": "SSL",
    "mtls": "MUTUAL_TLS",
    "sasl-plain": "SASL_SSL",
    "sasl-scram": "SASL_SSL",
    "sasl-scram-256": "SASL_SSL",
    "sasl-scram-512": "SASL_SSL",
}


def options(server: Server, authentication: str) -> dict[str, Any]:
    assert server.certificates is not None
    own = {"cert_file": str(server.certificates / "client.pem"), "key_file": str(server.certificates / "client.key")}
    return {
        "bootstrap_servers": server.addresses[LISTENERS[authentication]],
        "authentication": authentication,
        "ca_file": str(server.certificates / "ca.pem"),
        **(own if authentication == "mtls" else {}),
    }


async def send(server: Server, **given: Any) -> None:
    async with administration(server) as admin:
        name = await create_topic(admin, 1)
    async with kafka_adapter(server, **given) as adapter:
        sink = await adapter.sink(Destination(Service.KAFKA, name))
        await sink.send(OutboundMessage(body=b"1"))


@pytest.mark.parametrize("authentication", LISTENERS)
async def test_client_signs_in(authentication: str, kafka_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.username_variable, USER)
    monkeypatch.setenv(SIGN_IN.password_variable, PASSWORD)
    await send(kafka_server, **options(kafka_server, authentication))


async def test_password_may_be_in_a_file(kafka_server: Server, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    given = {"username": USER, "password_file": str(tmp_path / "password")}
    await send(kafka_server, **options(kafka_server, "sasl-scram"), **given)


@pytest.mark.parametrize("authentication", ["sasl-plain", "sasl-scram-256"])
async def test_wrong_password_is_denied_and_not_repeated(
    authentication: str, kafka_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(SIGN_IN.username_variable, USER)
    monkeypatch.setenv(SIGN_IN.password_variable, "wr0ng-one")
    with pytest.raises(AccessDeniedError) as raised:
        await send(kafka_server, **options(kafka_server, authentication))
    assert "wr0ng-one" not in f"{raised.value} {raised.value.__cause__!r} {caplog.text}"


async def test_certificate_that_nobody_knows_is_denied(kafka_server: Server) -> None:
    given = options(kafka_server, "tls")
    del given["ca_file"]
    with pytest.raises(AccessDeniedError, match="ca_file"):
        await send(kafka_server, **given)


def unsigned(region: str) -> tuple[str, int]:
    """A token as OAUTHBEARER has it, for the user whose name stands where the region would."""
    now = int(time.time())  # a moment that has been
    parts = [{"alg": "none"}, {"sub": region, "iat": now, "exp": now + 300}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""]), (now + 300) * 1000


async def test_token_of_a_signer_is_what_the_broker_gets(kafka_server: Server) -> None:
    given = options(kafka_server, "sasl-plain")
    given["authentication"] = "msk-iam"
    parsed = KafkaOptions.parse(AdapterSettings(environment="t", options=given, resources={}, clock=WallClock()))
    arguments = security(parsed, where="here", region="eu-west-1")
    arguments["sasl_oauth_token_provider"] = MskTokenProvider(USER, unsigned)
    async with Clients(parsed, arguments) as clients:
        admin = clients.admin()
        await admin.start()
        try:
            assert await admin.describe_cluster()
        finally:
            await admin.close()


async def test_a_token_that_the_broker_refuses_is_denied(kafka_server: Server) -> None:
    """Kafka says so in a challenge that aiokafka overlooks; then it hangs up, as if it were away."""
    given = {**options(kafka_server, "sasl-plain"), "authentication": "msk-iam"}
    parsed = KafkaOptions.parse(AdapterSettings(environment="t", options=given, resources={}, clock=WallClock()))
    arguments = security(parsed, where="here", region="eu-west-1")
    arguments["sasl_oauth_token_provider"] = MskTokenProvider("eu-west-1", lambda region: ("not.a.token", 0))
    async with Clients(parsed, arguments) as clients:
        cluster = Cluster(clients)
        with pytest.raises(AccessDeniedError, match="kafka:orders") as raised:
            await cluster.partitions("orders", resource="kafka:orders")
        cluster.close()
    assert "credentials" in (raised.value.mend or "")


async def test_missing_aws_credentials_are_told(
    kafka_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(AccessDeniedError, match="no AWS credentials to sign in with"):
        await send(kafka_server, **{**options(kafka_server, "sasl-plain"), "authentication": "msk-iam"})


async def test_plain_client_of_a_server_that_encrypts_is_told_something(kafka_server: Server) -> None:
    with pytest.raises(EventflowError, match="kafka:topic-") as raised:
        await send(kafka_server, bootstrap_servers=kafka_server.addresses["SSL"])
    assert isinstance(raised.value, UnavailableError)
