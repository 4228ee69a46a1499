"""Passwords, certificates and encrypted connections, with the real driver and a server that a test plays."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import AccessDeniedError
from eventflow.model.blueprint import Blueprint
from eventflow.model.destinations import Service
from eventflow.model.documentdb import ChangeSubscription
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.ports import AdapterSettings, Inspection
from eventflow_mongodb import MongodbAdapter
from eventflow_mongodb.options import SIGN_IN
from tests.contract.embedded import WallClock
from tests.servers.certificates import write_certificates
from tests.unit.mongodb.scripted_mongodb import ScriptedMongoDb, failed

pytestmark = [pytest.mark.parametrize("anyio_backend", ["asyncio"]), pytest.mark.forgotten_sockets]

MAPPING = StreamMapping(batch=BatchSettings(batch_size=100), starting_position=StartingPosition.LATEST)
CHANGES = ChangeSubscription(service=Service.DOCUMENTDB, name="shop.orders", subscriber="f", mapping=MAPPING)
PASSWORD = "s3cret, ünïcode"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    write_certificates(tmp_path / "certificates")
    return tmp_path / "certificates"


def encrypting(certificates: Path, *, wants_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED if wants_certificate else ssl.CERT_NONE
    return context


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[ScriptedMongoDb]:
    server = ScriptedMongoDb(**options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def look(server: ScriptedMongoDb, **options: Any) -> list[Inspection]:
    """What an inspection finds."""
    given = {"uri": server.uri, **options}
    settings = AdapterSettings(environment="test", options=given, resources={}, clock=WallClock())
    async with MongodbAdapter(settings) as adapter:
        return list(await adapter.inspect(Blueprint(app_name="shop", subscriptions=(CHANGES,))))


async def test_a_password_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.password_variable, PASSWORD)
    async with serving(passwords={"anna": PASSWORD}) as server:
        assert await look(server, username="anna") == []


@pytest.mark.parametrize("given", [{}, {"username": "anna"}, {"username": "eve"}])
async def test_who_may_not_is_told_to_look_at_user_and_password(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGN_IN.password_variable, "wrong")
    async with serving(passwords={"anna": PASSWORD}) as server:
        [finding] = await look(server, **given)
    assert finding.rule == "access-denied"
    assert "user and password" in finding.mend
    assert "wrong" not in str(finding)


async def test_an_encrypted_server_is_trusted_by_its_authority(certificates: Path) -> None:
    async with serving(tls=encrypting(certificates)) as server:
        assert await look(server, tls=True, ca_file=str(certificates / "ca.pem")) == []


async def test_a_server_with_an_unknown_certificate_is_not_trusted(certificates: Path) -> None:
    async with serving(tls=encrypting(certificates)) as server:
        for seconds in (0.3, 3, 30):  # the driver tries until then
            [finding] = await look(server, tls=True, uri=server.uri_for(seconds))
            if finding.rule != "unreachable":
                break
    assert finding.rule == "access-denied"
    assert "certificate is not trusted" in finding.message
    assert "ca_file" in finding.mend


async def test_a_client_certificate_signs_in(certificates: Path) -> None:
    both = certificates / "both.pem"
    both.write_bytes((certificates / "client.pem").read_bytes() + (certificates / "client.key").read_bytes())
    async with serving(tls=encrypting(certificates, wants_certificate=True)) as server:
        found = await look(
            server, tls=True, ca_file=str(certificates / "ca.pem"), cert_file=str(both), authentication="x509"
        )
        assert found == []
        login = next(command for command in server.asked if "authenticate" in command)
        assert (login["mechanism"], login["$db"]) == ("MONGODB-X509", "$external")


async def test_what_is_refused_at_start_names_the_subscription() -> None:
    async with serving(passwords={"anna": PASSWORD}) as server:
        settings = AdapterSettings(environment="test", options={"uri": server.uri}, resources={}, clock=WallClock())
        async with MongodbAdapter(settings) as adapter:
            with pytest.raises(AccessDeniedError, match=r"documentdb:shop\.orders"):
                await adapter.stream_source(CHANGES)


async def test_leases_that_may_not_be_written_are_found() -> None:
    async with serving() as server:
        server.always["update"] = failed(
            13, "Unauthorized", "not authorized on eventflow to execute command { update }"
        )
        [finding] = await look(server)
    assert (finding.rule, finding.resource) == ("access-denied", "documentdb:eventflow.leases")
    assert "`update`" in finding.mend
