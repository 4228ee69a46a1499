from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import ConfigurationError
from eventflow.ports import AdapterSettings
from eventflow_kafka import KafkaAdapter
from eventflow_kafka.options import SIGN_IN, Authentication, KafkaOptions
from tests.contract.embedded import WallClock

SERVERS = ["b-1.example.com:9092", "b-2.example.com:9092"]
CLUSTER = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/9a1b-5"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SIGN_IN.username_variable, raising=False)
    monkeypatch.delenv(SIGN_IN.password_variable, raising=False)


def settings(**options: Any) -> AdapterSettings:
    return AdapterSettings(environment="production", options=options, resources={}, clock=WallClock())


def parse(**options: Any) -> KafkaOptions:
    return KafkaOptions.parse(settings(bootstrap_servers=SERVERS, **options))


def problems(**options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        KafkaAdapter(settings(**options))
    return [str(problem) for problem in raised.value.problems]


def test_servers_are_a_list_or_text() -> None:
    assert parse().bootstrap_servers == tuple(SERVERS)
    assert KafkaOptions.parse(settings(bootstrap_servers=", ".join(SERVERS))).bootstrap_servers == tuple(SERVERS)


def test_a_cluster_needs_an_address() -> None:
    [problem] = problems()
    assert "bootstrap_servers: is missing" in problem


@pytest.mark.parametrize("servers", [[], "", "b-1.example.com", "b-1:0", "b-1:70000", ["b-1:9092", 5], 7, "http://b:1"])
def test_an_address_has_a_host_and_a_port(servers: object) -> None:
    [problem] = problems(bootstrap_servers=servers)
    assert f"{servers!r} is not allowed" in problem
    assert "host:port" in problem


def test_every_mistake_is_named_at_once() -> None:
    found = problems(
        bootstrap_servers=SERVERS,
        authentication="kerberos",
        bootstrap_server="x",
        client_id="",
        cluster_arn="arn:aws:sqs:eu-west-1:123456789012:orders",
        session_timeout_seconds=1,
        rebalance_timeout_seconds=True,
    )
    fields = ("authentication", "bootstrap_server", "client_id", "cluster_arn", "session_timeout", "rebalance_timeout")
    assert len(found) == len(fields)
    for field, problem in zip(fields, found, strict=True):
        assert f" {field}" in problem


def test_known_authentications_are_told() -> None:
    [problem] = problems(bootstrap_servers=SERVERS, authentication="sasl")
    assert all(name in problem for name in Authentication)


def test_a_password_does_not_belong_into_the_settings() -> None:
    found = problems(bootstrap_servers=SERVERS, authentication="sasl-plain", username="me", password="s3cret")
    assert any("password: does not belong into a file of settings" in problem for problem in found)
    assert "s3cret" not in str(found)


def test_sasl_needs_a_username_and_a_password() -> None:
    found = problems(bootstrap_servers=SERVERS, authentication="sasl-scram-512")
    assert [SIGN_IN.username_variable in found[0], SIGN_IN.password_variable in found[1]] == [True, True]


def test_credentials_come_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.username_variable, "me")
    monkeypatch.setenv(SIGN_IN.password_variable, "s3cret")
    options = parse(authentication="sasl-scram")
    assert (options.username, options.password) == ("me", "s3cret")
    assert "s3cret" not in repr(options)


def test_credentials_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN.password_variable, "another")
    (tmp_path / "user").write_text("me\n")
    (tmp_path / "password").write_text("s3cret\n")
    files = {"username_file": str(tmp_path / "user"), "password_file": str(tmp_path / "password")}
    options = parse(authentication="sasl-plain", **files)
    assert (options.username, options.password) == ("me", "s3cret")


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    [problem] = problems(bootstrap_servers=SERVERS, authentication="tls", ca_file=str(tmp_path / "no.pem"))
    assert "no.pem' is not allowed (the path of a file)" in problem


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"username": "me"}, "username"),
        ({"authentication": "tls", "username": "me"}, "username"),
        ({"authentication": "tls", "cert_file": __file__}, "cert_file"),
        ({"ca_file": __file__}, "ca_file"),
    ],
)
def test_what_does_nothing_is_a_mistake(options: dict[str, str], field: str) -> None:
    [problem] = problems(bootstrap_servers=SERVERS, **options)
    assert f"{field}: does nothing" in problem


def test_mtls_needs_certificate_and_key() -> None:
    found = problems(bootstrap_servers=SERVERS, authentication="mtls")
    assert ["cert_file: is missing" in found[0], "key_file: is missing" in found[1]] == [True, True]


def test_a_certificate_that_is_none_is_a_mistake_and_nobody_is_asked_for_a_password() -> None:
    options = {"authentication": "mtls", "cert_file": __file__, "key_file": __file__}
    [problem] = problems(bootstrap_servers=SERVERS, **options)
    assert "cert_file: cannot read" in problem


def test_authorities_that_are_none_are_a_mistake() -> None:
    [problem] = problems(bootstrap_servers=SERVERS, authentication="tls", ca_file=__file__)
    assert "ca_file: cannot read" in problem


def test_the_arn_of_a_cluster_may_be_of_any_partition() -> None:
    for arn in (CLUSTER, CLUSTER.replace("arn:aws:", "arn:aws-cn:")):
        assert parse(cluster_arn=arn).cluster_arn == arn
