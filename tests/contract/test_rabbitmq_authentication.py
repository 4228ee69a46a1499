"""Every way to sign in to RabbitMQ that the test server can offer, and what is refused, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import AccessDeniedError, ResourceNotFoundError, UnavailableError
from eventflow.model.blueprint import Blueprint
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow_rabbitmq.options import SIGN_IN
from tests.contract.rabbitmq_queues import (
    PATIENCE_SECONDS,
    administration,
    create_queue,
    rabbitmq_adapter,
    subscription,
)
from tests.servers.certificates import write_certificates
from tests.servers.rabbitmq import PASSWORD, VIRTUAL_HOST, control
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.password_variable, PASSWORD)


@pytest.fixture(scope="module")
def restricted(rabbitmq_server: Server) -> Iterator[str]:
    """A user who may sign in, and neither read nor write."""
    control(rabbitmq_server, "add_user", "visitor", PASSWORD)
    control(rabbitmq_server, "set_permissions", "-p", "/", "visitor", "^$", "^$", "^$")
    yield "visitor"
    control(rabbitmq_server, "delete_user", "visitor")


async def queue_on(server: Server) -> str:
    async with administration(server) as channel:
        return await create_queue(channel, "classic")


async def send_and_receive(server: Server, **given: Any) -> None:
    name = await queue_on(server)
    async with rabbitmq_adapter(server, **given) as adapter:
        sink = await adapter.sink(Destination(Service.RABBITMQ, name))
        await sink.send(OutboundMessage(body=b"1"))
        source = await adapter.queue_source(subscription(name))
        [record] = await source.receive(max_records=1, wait_seconds=PATIENCE_SECONDS)
        await source.delete([record.receipt_handle])
        await source.aclose()


def encrypted(server: Server) -> dict[str, str]:
    assert server.certificates is not None
    port = server.addresses["amqps"].rpartition(":")[2]
    return {"url": f"amqps://127.0.0.1:{port}", "ca_file": str(server.certificates / "ca.pem")}


def own(directory: Path) -> dict[str, str]:
    return {"cert_file": str(directory / "client.pem"), "key_file": str(directory / "client.key")}


async def test_client_signs_in_over_tls(rabbitmq_server: Server) -> None:
    await send_and_receive(rabbitmq_server, **encrypted(rabbitmq_server))


async def test_client_has_a_certificate(rabbitmq_server: Server) -> None:
    assert rabbitmq_server.certificates is not None
    await send_and_receive(rabbitmq_server, **encrypted(rabbitmq_server), **own(rabbitmq_server.certificates))


async def test_certificate_of_a_client_that_the_broker_does_not_trust(rabbitmq_server: Server, tmp_path: Path) -> None:
    write_certificates(tmp_path / "others")
    with pytest.raises((AccessDeniedError, UnavailableError), match=r"127\.0\.0\.1"):
        await send_and_receive(rabbitmq_server, **encrypted(rabbitmq_server), **own(tmp_path / "others"))


async def test_certificate_of_the_broker_that_nobody_knows(rabbitmq_server: Server) -> None:
    given = encrypted(rabbitmq_server)
    del given["ca_file"]
    with pytest.raises(AccessDeniedError, match="ca_file"):
        await send_and_receive(rabbitmq_server, **given)


async def test_password_may_be_in_a_file(
    rabbitmq_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SIGN_IN.password_variable)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    await send_and_receive(rabbitmq_server, password_file=str(tmp_path / "password"))


async def test_wrong_password_is_denied_and_not_repeated(
    rabbitmq_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(SIGN_IN.password_variable, "wr0ng-one")
    with pytest.raises(AccessDeniedError, match="username and password") as raised:
        await send_and_receive(rabbitmq_server)
    assert "wr0ng-one" not in f"{raised.value} {raised.value.__cause__!r} {caplog.text}"


async def test_nodes_are_tried_in_turn(rabbitmq_server: Server) -> None:
    await send_and_receive(rabbitmq_server, url=["amqp://127.0.0.1:1", f"amqp://127.0.0.1:{rabbitmq_server.port}"])


async def test_virtual_host_of_the_url_is_that_of_plain_names(rabbitmq_server: Server) -> None:
    async with administration(rabbitmq_server, VIRTUAL_HOST) as channel:
        name = await create_queue(channel, "classic")
    async with rabbitmq_adapter(f"amqp://127.0.0.1:{rabbitmq_server.port}/{VIRTUAL_HOST}") as adapter:
        await adapter.queue_source(subscription(name))


async def test_virtual_host_that_is_not_there(rabbitmq_server: Server) -> None:
    async with rabbitmq_adapter(rabbitmq_server) as adapter:
        with pytest.raises(ResourceNotFoundError, match="virtual host") as raised:
            await adapter.queue_source(subscription("orders::nowhere"))
        assert "add_vhost" in str(raised.value)


async def test_user_who_may_not_read_or_write_is_told_at_start(rabbitmq_server: Server, restricted: str) -> None:
    name = await queue_on(rabbitmq_server)
    async with rabbitmq_adapter(rabbitmq_server, username=restricted) as adapter:
        with pytest.raises(AccessDeniedError, match="reading is denied"):
            await adapter.queue_source(subscription(name))
        with pytest.raises(AccessDeniedError, match="publishing is denied"):
            await adapter.sink(Destination(Service.RABBITMQ, name))
        with pytest.raises(AccessDeniedError, match="denied"):
            await adapter.queue_source(subscription(f"{name}::{VIRTUAL_HOST}"))


async def test_looking_takes_no_message(rabbitmq_server: Server) -> None:
    name = await queue_on(rabbitmq_server)
    async with rabbitmq_adapter(rabbitmq_server) as adapter:
        sink = await adapter.sink(Destination(Service.RABBITMQ, name))
        await sink.send(OutboundMessage(body=b"1"))
        assert not await adapter.inspect(Blueprint(app_name="shop", subscriptions=(subscription(name),)))
        source = await adapter.queue_source(subscription(name))
        [record] = await source.receive(max_records=1, wait_seconds=PATIENCE_SECONDS)
        assert record.attributes["redelivered"] is False
        await source.aclose()


async def test_a_queue_may_be_bound_to_another_name(rabbitmq_server: Server) -> None:
    async with administration(rabbitmq_server, VIRTUAL_HOST) as channel:
        name = await create_queue(channel, "classic")
    bound = {"rabbitmq:orders": f"{name}::{VIRTUAL_HOST}", f"rabbitmq:orders::{VIRTUAL_HOST}": name}
    async with rabbitmq_adapter(rabbitmq_server, resources={**bound, "rabbitmq:gone": "no-such"}) as adapter:
        for logical in ("orders", f"orders::{VIRTUAL_HOST}"):
            source = await adapter.queue_source(subscription(logical))
            await source.aclose()
        listed = {status.resource: status.figures["waiting"] for status in await adapter.resources()}
    assert listed == {"rabbitmq:orders": 0, f"rabbitmq:orders::{VIRTUAL_HOST}": 0, "rabbitmq:gone": "missing"}


async def test_an_environment_closes_with_receives_under_way(rabbitmq_server: Server) -> None:
    name = await queue_on(rabbitmq_server)
    async with rabbitmq_adapter(rabbitmq_server) as adapter:
        source = await adapter.queue_source(subscription(name))
        waiting = asyncio.create_task(source.receive(max_records=1, wait_seconds=300))
        await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await waiting
    await source.aclose()
