from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import AdapterError, ConfigurationError, ResourceNotFoundError
from eventflow.model.destinations import Destination, Service
from eventflow.model.message_queues import QueueAddress
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import AdapterSettings, Inspector, Provisioner
from eventflow_rabbitmq import RabbitMQAdapter
from eventflow_rabbitmq.connections import Connections
from eventflow_rabbitmq.environment import Environment
from eventflow_rabbitmq.options import SIGN_IN, BrokerAddress, RabbitMQOptions
from tests.contract.embedded import WallClock

URL = "amqps://mq-1.example.com"
ARN = "arn:aws:mq:eu-west-1:123456789012:broker:shop:b-1"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SIGN_IN.username_variable, raising=False)
    monkeypatch.delenv(SIGN_IN.password_variable, raising=False)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.username_variable, "me")
    monkeypatch.setenv(SIGN_IN.password_variable, "s3cret")


def settings(resources: dict[str, str] | None = None, **options: Any) -> AdapterSettings:
    return AdapterSettings(environment="production", options=options, resources=resources or {}, clock=WallClock())


def problems(**options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        RabbitMQAdapter(settings(**options))
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.usefixtures("credentials")
def test_nodes_are_a_list_or_text() -> None:
    nodes = [f"{URL}/shop", "amqps://mq-2.example.com:5999/shop"]
    for url in (nodes, ", ".join(nodes)):
        options = RabbitMQOptions.parse(settings(url=url))
        assert options.addresses == (BrokerAddress("mq-1.example.com", 5671), BrokerAddress("mq-2.example.com", 5999))
        assert (options.virtual_host, options.encrypted) == ("shop", True)


def test_a_broker_needs_an_address() -> None:
    [problem] = problems()
    assert "url: is missing" in problem


@pytest.mark.parametrize(
    "url", [[], "", "mq-1.example.com", "amqp://", "http://mq", "amqp://mq:0", "amqp://mq:x", 5, [5]]
)
def test_an_address_has_a_scheme_and_a_host(url: object) -> None:
    [problem] = problems(url=url)
    assert f"{url!r} is not allowed" in problem
    assert "amqps://" in problem


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("others", [["amqp://mq-2.example.com"], ["amqps://mq-2.example.com/other"]])
def test_nodes_of_one_broker_are_alike(others: list[str]) -> None:
    [problem] = problems(url=[URL, *others])
    assert "same scheme and virtual host" in problem


def test_credentials_do_not_belong_into_the_url_and_are_not_repeated() -> None:
    [problem] = problems(url="amqp://me:s3cret@mq-1.example.com")
    assert "credentials" in problem
    assert "s3cret" not in problem


@pytest.mark.usefixtures("credentials")
def test_every_mistake_is_named_at_once() -> None:
    found = problems(
        url=URL,
        urls="x",
        ca_file="/no/such/file.pem",
        broker_arn="arn:aws:sqs:eu-west-1:123456789012:orders",
        client_id="",
        heartbeat_seconds=1.5,
        management_url="https://me:s3cret@mq-1.example.com",
        password="s3cret",
    )
    fields = ("urls", "ca_file", "broker_arn", "client_id", "heartbeat_seconds", "management_url", "password")
    assert len(found) == len(fields)
    for field, problem in zip(fields, found, strict=True):
        assert f" {field}:" in problem
    assert "s3cret" not in str(found)


def test_another_machine_wants_to_know_who_we_are() -> None:
    found = problems(url=URL)
    assert [SIGN_IN.username_variable in found[0], SIGN_IN.password_variable in found[1]] == [True, True]


def test_this_machine_knows_the_guest() -> None:
    for url in ("amqp://127.0.0.1", "amqp://localhost", "amqp://[::1]:5672"):
        options = RabbitMQOptions.parse(settings(url=url))
        assert (options.username, options.password) == ("guest", "guest")


def test_credentials_come_from_files(tmp_path: Path, credentials: None) -> None:
    (tmp_path / "user").write_text("you\n")
    (tmp_path / "password").write_text("an0ther\n")
    files: dict[str, Any] = {"username_file": str(tmp_path / "user"), "password_file": str(tmp_path / "password")}
    options = RabbitMQOptions.parse(settings(url=URL, **files))
    assert (options.username, options.password) == ("you", "an0ther")
    assert "an0ther" not in repr(options)


@pytest.mark.usefixtures("credentials")
def test_what_does_nothing_or_is_half_is_a_mistake() -> None:
    [problem] = problems(url="amqp://mq-1.example.com", ca_file=__file__)
    assert "does nothing without amqps" in problem
    [problem] = problems(url=URL, cert_file=__file__)
    assert "key_file: is missing" in problem
    [problem] = problems(url=URL, username="me", username_file=__file__)
    assert "there is a username already" in problem


@pytest.mark.usefixtures("credentials")
def test_certificates_that_cannot_be_read_are_a_mistake() -> None:
    [problem] = problems(url=URL, cert_file=__file__, key_file=__file__)
    assert "cannot read" in problem


def environment(resources: dict[str, str], **options: Any) -> Environment:
    given = settings(resources, **{"url": "amqp://localhost", **options})
    parsed = RabbitMQOptions.parse(given)
    return Environment(given, parsed, Connections(parsed, None))


@pytest.mark.parametrize(
    ("name", "bound", "url", "address"),
    [
        ("orders", None, "amqp://localhost", ("orders", "/")),
        ("orders", None, "amqp://localhost/shop", ("orders", "shop")),
        ("orders", None, "amqp://localhost/a%2Fb", ("orders", "a/b")),
        ("orders::shop", None, "amqp://localhost/other", ("orders", "shop")),
        ("orders", "orders-prod", "amqp://localhost/shop", ("orders-prod", "shop")),
        ("orders::shop", "orders-prod", "amqp://localhost", ("orders-prod", "shop")),
        ("orders::shop", "orders-prod::prod", "amqp://localhost", ("orders-prod", "prod")),
    ],
)
def test_names_are_bound_to_queues(name: str, bound: str | None, url: str, address: tuple[str, str]) -> None:
    resources = {} if bound is None else {f"rabbitmq:{name}": bound}
    assert environment(resources, url=url).address(name) == QueueAddress(*address)


def test_events_name_the_broker() -> None:
    assert (environment({}, broker_arn=ARN).arn, environment({}, broker_arn=ARN).region) == (ARN, "eu-west-1")
    assert environment({}).arn == "arn:aws:mq:us-east-1:000000000000:broker:rabbitmq:localhost"


async def test_the_adapter_serves_queues_of_rabbitmq_only() -> None:
    async with RabbitMQAdapter(settings(url="amqp://localhost")) as adapter:
        assert isinstance(adapter, Inspector)
        assert isinstance(adapter, Provisioner)
        with pytest.raises(ResourceNotFoundError, match="RabbitMQ's queues only"):
            await adapter.queue_source(QueueSubscription(service=Service.SQS, name="orders", subscriber="f"))
        with pytest.raises(ResourceNotFoundError, match="RabbitMQ's queues only"):
            await adapter.sink(Destination(Service.SQS, "orders"))
        with pytest.raises(ResourceNotFoundError, match="queues only"):
            await adapter.event_queue("shop")
    with pytest.raises(AdapterError, match="not open"):
        await adapter.sink(Destination(Service.RABBITMQ, "orders"))
