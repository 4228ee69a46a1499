from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import ConfigurationError
from eventflow.ports import AdapterSettings
from eventflow_mongodb import MongodbAdapter
from eventflow_mongodb.client import make_client
from eventflow_mongodb.options import SIGN_IN, Authentication, MongodbOptions
from tests.contract.embedded import WallClock

URI = "mongodb://db-1.example.com,db-2.example.com:27018/?replicaSet=rs0"
DOCUMENTDB = "mongodb://shop.cluster-c1.eu-west-1.docdb.amazonaws.com:27017"
SECRET = "s3cret"
USERNAME_VARIABLE, PASSWORD_VARIABLE = SIGN_IN.username_variable, SIGN_IN.password_variable


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(USERNAME_VARIABLE, raising=False)
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)


def settings(**options: Any) -> AdapterSettings:
    return AdapterSettings(environment="production", options=options, resources={}, clock=WallClock())


def parse(uri: str = URI, **options: Any) -> MongodbOptions:
    return MongodbOptions.parse(settings(uri=uri, **options))


def problems(**options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        MongodbAdapter(settings(**options))
    assert SECRET not in str(raised.value)
    return [str(problem) for problem in raised.value.problems]


def test_a_cluster_is_a_uri() -> None:
    assert parse().address.text == "mongodb://db-1.example.com:27017,db-2.example.com:27018"
    assert parse("mongodb+srv://cluster0.abc.mongodb.net").address.text == "mongodb+srv://cluster0.abc.mongodb.net"
    assert parse("mongodb://[::1]:27017/").address.hosts == ("[::1]:27017",)


def test_a_cluster_needs_a_uri() -> None:
    [problem] = problems()
    assert "uri: is missing" in problem


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "db-1:27017",
        "http://db-1",
        f"mongodb://anna:{SECRET}/x",
        "mongodb://db-1:0",
        "mongodb://db-1:70000",
        "mongodb+srv://a,b",
        "mongodb+srv://a:27017",
        "mongodb://db-1/?x",
        7,
    ],
)
def test_a_uri_that_is_none_is_not_repeated(uri: object) -> None:
    [problem] = problems(uri=uri)
    assert "uri: is not allowed" in problem


def test_every_mistake_is_named_at_once() -> None:
    found = problems(
        uri=URI,
        authentication="kerberos",
        url="x",
        cluster_arn="arn:aws:sqs:eu-west-1:123456789012:orders",
        lease_seconds=True,
        lease_database="a.b",
        lease_collection="system.leases",
        tls="yes",
        ca_file="/nowhere.pem",
    )
    fields = (
        "authentication",
        "url",
        "cluster_arn",
        "lease_seconds",
        "lease_database",
        "lease_collection",
        "tls",
        "ca_file",
    )
    assert len(found) == len(fields)
    for field, problem in zip(fields, found, strict=True):
        assert f" {field}: " in problem


# Who we are


def test_without_a_user_nobody_is_signed_in() -> None:
    assert parse().authentication is Authentication.NONE


def test_user_and_password_come_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USERNAME_VARIABLE, "anna")
    monkeypatch.setenv(PASSWORD_VARIABLE, SECRET)
    options = parse()
    assert (options.authentication, options.username, options.password) == (Authentication.SCRAM, "anna", SECRET)


def test_user_and_password_may_be_in_files(tmp_path: Path) -> None:
    for name, content in (("username", "anna"), ("password", SECRET)):
        (tmp_path / name).write_text(f"{content}\n")
    options = parse(username_file=str(tmp_path / "username"), password_file=str(tmp_path / "password"))
    assert (options.authentication, options.username, options.password) == (Authentication.SCRAM, "anna", SECRET)


def test_a_password_is_neither_in_the_table_nor_in_the_uri() -> None:
    [problem] = problems(uri=URI, username="anna", password=SECRET)
    assert PASSWORD_VARIABLE in problem
    for uri in (f"mongodb://anna:{SECRET}@db-1", "mongodb://anna@db-1", f"mongodb://anna:{SECRET}/x@db-1"):
        [problem] = problems(uri=uri)
        assert ["uri: credentials do not belong" in problem, PASSWORD_VARIABLE in problem] == [True, True]


def test_a_secret_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, SECRET)
    options = parse(username="anna")
    assert options.password == SECRET
    assert SECRET not in repr(options)


def test_scram_needs_a_user_and_a_password(tmp_path: Path) -> None:
    user, password = problems(uri=URI, authentication="scram")
    assert USERNAME_VARIABLE in user
    assert PASSWORD_VARIABLE in password
    (tmp_path / "username").write_text("anna")
    twice, password = problems(uri=URI, username="anna", username_file=str(tmp_path / "username"))
    assert "username_file: there is a username already" in twice
    assert PASSWORD_VARIABLE in password


def test_what_another_authentication_needs_is_pointed_out() -> None:
    [problem] = problems(uri=URI, authentication="aws", username="anna")
    assert 'username: does nothing: authentication is "aws"' in problem


def test_a_mechanism_is_an_option_and_no_parameter() -> None:
    [problem] = problems(uri="mongodb://db-1/?authMechanism=MONGODB-X509")
    assert "authentication =" in problem


# Encryption


@pytest.mark.parametrize(
    ("uri", "given", "encrypted"),
    [
        (URI, {}, False),
        (URI, {"tls": True}, True),
        ("mongodb://db-1/?tls=true", {}, True),
        ("mongodb://db-1/?ssl=true", {"tls": False}, False),
        ("mongodb+srv://db", {}, True),
        (DOCUMENTDB, {}, True),
        ("mongodb://c.cluster-1.cn-north-1.docdb.amazonaws.com.cn", {}, True),
        (f"{DOCUMENTDB}/?tls=false", {}, False),
        (DOCUMENTDB, {"tls": False}, False),
        ("mongodb://docdb.amazonaws.com.example.org", {}, False),
    ],
)
def test_connections_are_encrypted_where_it_says_so_and_to_documentdb(
    uri: str, given: dict[str, bool], encrypted: bool
) -> None:
    assert parse(uri, **given).encrypted is encrypted


def test_certificates_are_pointless_without_encryption(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    [problem] = problems(uri=URI, ca_file=str(tmp_path / "ca.pem"))
    assert "not encrypted" in problem


def test_x509_needs_a_certificate_and_encryption() -> None:
    found = problems(uri=URI, authentication="x509")
    assert ["cert_file: is missing" in found[0], "takes encryption" in found[1]] == [True, True]


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
async def test_a_certificate_that_is_none_is_named(key: str, tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match=rf"{key}: cannot read .*broken\.pem"):
        make_client(parse(tls=True, **{key: str(tmp_path / "broken.pem")}), where="here")


async def test_the_driver_takes_what_the_options_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, SECRET)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("mongodb://db-1/?ssl=true", {"tls": False}),
        (DOCUMENTDB, {"username": "anna"}),
        ("mongodb://db-1/admin?w=1&retryWrites=true", {"username": "anna"}),
    ]
    for uri, given in cases:
        async with make_client(parse(uri, **given), where="here") as client:
            assert client.options.retry_writes is False


@pytest.mark.parametrize("parameters", ["w=-5", "colour=red", "tlsCAFile=/nowhere.pem&ssl=false&tls=true"])
async def test_a_parameter_that_the_driver_refuses_is_told_without_the_uri(parameters: str) -> None:
    with pytest.raises(ConfigurationError, match="uri: the driver refuses it") as raised:
        make_client(parse(f"mongodb://{SECRET}/?{parameters}"), where="here")
    assert SECRET not in f"{raised.value!r} {raised.value.__cause__!r}"
