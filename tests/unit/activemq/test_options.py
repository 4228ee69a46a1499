from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import ConfigurationError
from eventflow.ports import AdapterSettings
from eventflow_activemq import ActiveMQAdapter
from eventflow_activemq.options import SIGN_IN, ActiveMQOptions, Address
from tests.contract.embedded import WallClock

BROKERS = ["amqps://b-1.example.com:5671", "amqps://b-2.example.com"]
ARN = "arn:aws:mq:eu-west-1:123456789012:broker:shop:b-9bcfa592-423a-4942-879d-eb284b418fc8"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SIGN_IN.username_variable, raising=False)
    monkeypatch.delenv(SIGN_IN.password_variable, raising=False)


def settings(**options: Any) -> AdapterSettings:
    return AdapterSettings(environment="production", options=options, resources={}, clock=WallClock())


def parse(**options: Any) -> ActiveMQOptions:
    return ActiveMQOptions.parse(settings(**{"brokers": BROKERS, **options}))


def problems(**options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        ActiveMQAdapter(settings(**options))
    return [str(problem) for problem in raised.value.problems]


def test_brokers_are_a_list_or_text() -> None:
    both = (Address("b-1.example.com", 5671, tls=True), Address("b-2.example.com", 5671, tls=True))
    assert parse().brokers == both
    assert parse(brokers=", ".join(BROKERS)).brokers == both
    assert parse(brokers="amqp://[::1]").brokers == (Address("::1", 5672, tls=False),)
    assert str(parse(brokers="amqp://[::1]").brokers[0]) == "amqp://[::1]:5672"


def test_a_broker_is_needed() -> None:
    [problem] = problems()
    assert "brokers: is missing" in problem


@pytest.mark.parametrize(
    "brokers",
    ["", [], "b-1:5671", "stomp://b-1:61613", "amqp://", "amqp://b:0", "amqp://b:70000", ["amqp://b", 5], "amqp://b/x"],
)
def test_an_address_is_of_amqp(brokers: object) -> None:
    [problem] = problems(brokers=brokers)
    assert f"{brokers!r} is not allowed" in problem
    assert "amqps://b-1.example.com:5671" in problem


def test_credentials_do_not_belong_into_an_address() -> None:
    [problem] = problems(brokers="amqps://me:s3cret@b-1.example.com")
    assert "credentials do not belong into an address" in problem
    assert "s3cret" not in problem


def test_every_mistake_is_named_at_once() -> None:
    found = problems(
        brokers=BROKERS,
        broker="x",
        client_id="",
        broker_arn="arn:aws:sqs:eu-west-1:123456789012:orders",
        heartbeat_seconds=True,
        maximum_redeliveries=-2,
        selectors={"orders": 5},
        ca_file="no.pem",
        cert_file=__file__,
    )
    fields = (
        "broker",
        "client_id",
        "broker_arn",
        "heartbeat_seconds",
        "maximum_redeliveries",
        "selectors",
        "ca_file",
        "key_file",
    )
    assert len(found) == len(fields)
    for field, problem in zip(fields, found, strict=True):
        assert f" {field}:" in problem


def test_a_password_does_not_belong_into_the_settings() -> None:
    found = problems(brokers=BROKERS, username="me", password="s3cret")
    assert any("password: does not belong into a file of settings" in problem for problem in found)
    assert "s3cret" not in str(found)


def test_a_username_and_a_password_go_together(tmp_path: Path) -> None:
    [problem] = problems(brokers=BROKERS, username="me")
    assert SIGN_IN.password_variable in problem
    (tmp_path / "password").write_text("s3cret")
    [problem] = problems(brokers=BROKERS, password_file=str(tmp_path / "password"))
    assert SIGN_IN.username_variable in problem
    [problem] = problems(
        brokers=BROKERS, username="me", username_file=__file__, password_file=str(tmp_path / "password")
    )
    assert "there is a username already" in problem


def test_credentials_come_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.username_variable, "me")
    monkeypatch.setenv(SIGN_IN.password_variable, "s3cret")
    options = parse()
    assert (options.username, options.password) == ("me", "s3cret")
    assert "s3cret" not in repr(options)


def test_credentials_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.password_variable, "another")
    (tmp_path / "user").write_text("me\n")
    (tmp_path / "password").write_text("s3cret\n")
    options = parse(username_file=str(tmp_path / "user"), password_file=str(tmp_path / "password"))
    assert (options.username, options.password) == ("me", "s3cret")


def test_certificates_without_tls_do_nothing() -> None:
    [problem] = problems(brokers="amqp://b-1", ca_file=__file__)
    assert "ca_file: does nothing" in problem


def test_a_certificate_that_is_none_is_a_mistake_and_nobody_is_asked_for_a_password() -> None:
    [problem] = problems(brokers=BROKERS, cert_file=__file__, key_file=__file__)
    assert "cert_file: cannot read" in problem
    [problem] = problems(brokers=BROKERS, ca_file=__file__)
    assert "ca_file: cannot read" in problem


def test_what_is_not_said_has_a_default() -> None:
    options = parse(broker_arn=ARN)
    assert (options.username, options.heartbeat_seconds, options.maximum_redeliveries) == (None, 30, 6)
