from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import pytest

from eventflow.errors import ConfigurationError, Problem
from eventflow.ports.sign_in import SignIn
from tests.servers.certificates import write_certificates

KAFKA = SignIn("kafka")
WHERE = "[environments.test] adapter kafka"
WHY = "the broker is on another machine"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "KEY_PASSWORD"):
        monkeypatch.delenv(f"EVENTFLOW_KAFKA_{name}", raising=False)


def fields(problems: Iterable[Problem]) -> list[str | None]:
    return [problem.field for problem in problems]


def test_the_table_comes_before_its_file_and_both_before_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "username"
    file.write_text("filed\n")
    monkeypatch.setenv("EVENTFLOW_KAFKA_USERNAME", "variable")
    assert KAFKA.username({"username": "said"}) == "said"
    assert KAFKA.username({"username_file": str(file)}) == "filed"
    assert KAFKA.username({}) == "variable"


def test_a_password_is_in_a_file_or_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KAFKA.password({}) is None
    monkeypatch.setenv("EVENTFLOW_KAFKA_PASSWORD", "variable")
    file = tmp_path / "password"
    file.write_text(" filed \n")
    assert KAFKA.password({"password_file": str(file)}) == "filed"
    assert KAFKA.password({}) == "variable"
    assert "EVENTFLOW_KAFKA_PASSWORD" in str(KAFKA.unknown_option(WHERE, "password", ["username"]).hint)


def test_what_is_said_twice_or_by_half_is_told() -> None:
    assert fields(KAFKA.credential_problems(WHERE, {"username": "me", "username_file": "f"})) == ["username_file"]
    assert fields(KAFKA.credential_problems(WHERE, {"cert_file": "c"})) == ["key_file"]
    assert fields(KAFKA.credential_problems(WHERE, {"key_file": "k"})) == ["cert_file"]
    assert fields(KAFKA.credential_problems(WHERE, {"cert_file": "c", "key_file": "k", "username": "me"})) == []


def test_what_is_missing_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = list(KAFKA.missing_credentials(WHERE, {}, why=WHY))
    assert fields(missing) == ["username", "password_file"]
    assert all(WHY in problem.message for problem in missing)
    monkeypatch.setenv("EVENTFLOW_KAFKA_PASSWORD", "secret")
    assert fields(KAFKA.missing_credentials(WHERE, {"username_file": "f"}, why=WHY)) == []


def test_a_context_trusts_the_given_authority_and_shows_the_clients_certificate(tmp_path: Path) -> None:
    directory = tmp_path / "certificates"
    write_certificates(directory)
    context = KAFKA.ssl_context(
        WHERE,
        ca_file=str(directory / "ca.pem"),
        cert_file=str(directory / "server.pem"),
        key_file=str(directory / "server.key"),
    )
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("field", ["ca_file", "cert_file"])
def test_a_file_that_is_no_certificate_is_named(field: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing\n")
    files = {"ca_file": None, "cert_file": None, "key_file": None, field: str(wrong)}
    with pytest.raises(ConfigurationError, match=r"wrong\.pem") as raised:
        KAFKA.ssl_context(WHERE, **files)
    assert fields(raised.value.problems) == [field]
