"""Signing in to Amazon MSK: what AWS's signer makes of the environment's credentials."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from aiokafka.errors import AuthenticationFailedError

from eventflow.ports import AdapterSettings
from eventflow_kafka.environment import cluster_region
from eventflow_kafka.options import KafkaOptions
from eventflow_kafka.security import MskTokenProvider, security
from tests.contract.embedded import WallClock

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

CLUSTER = "arn:aws:kafka:eu-west-3:123456789012:cluster/orders/9a1b-5"


def provider(region: str, **options: str) -> MskTokenProvider:
    given = {"bootstrap_servers": "b-1:9098", "authentication": "msk-iam", **options}
    settings = AdapterSettings(environment="t", options=given, resources={}, clock=WallClock(), region=region)
    parsed = KafkaOptions.parse(settings)
    arguments = security(parsed, where="here", region=cluster_region(parsed, settings))
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["sasl_mechanism"] == "OAUTHBEARER"
    made = arguments["sasl_oauth_token_provider"]
    assert isinstance(made, MskTokenProvider)
    return made


async def token(made: MskTokenProvider) -> tuple[str, dict[str, list[str]]]:
    """Host and query of the signed address that a token is."""
    text = await made.token()
    parts = urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    return str(parts.hostname), parse_qs(parts.query)


async def test_token_is_aws_signers_for_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-key")
    host, query = await token(provider("eu-west-1"))
    assert host == "kafka.eu-west-1.amazonaws.com"
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Credential"][0].startswith("AKIDEXAMPLE/")
    assert query["X-Amz-Credential"][0].endswith("/eu-west-1/kafka-cluster/aws4_request")


async def test_region_of_the_clusters_arn_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-key")
    host, _ = await token(provider("eu-west-1", cluster_arn=CLUSTER))
    assert host == "kafka.eu-west-3.amazonaws.com"


async def test_every_token_is_made_of_the_credentials_of_that_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    made = provider("eu-west-1")
    for key in ("AKIDFIRST", "AKIDSECOND"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-key")
        _, query = await token(made)
        assert query["X-Amz-Credential"][0].startswith(f"{key}/")


async def test_what_goes_wrong_with_credentials_is_a_refused_sign_in() -> None:
    def expired(region: str) -> tuple[str, int]:
        raise RuntimeError("the SSO session has\nexpired")

    with pytest.raises(
        AuthenticationFailedError, match="no AWS credentials to sign in with: the SSO session has expired"
    ):
        await MskTokenProvider("eu-west-1", expired).token()
