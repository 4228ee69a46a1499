"""What an environment says about its Kafka cluster, checked. No message repeats a password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from eventflow.errors import ConfigurationError, Problem
from eventflow.ports.sign_in import SIGN_IN_FILES, SignIn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.ports import AdapterSettings

SIGN_IN: Final = SignIn("kafka")
REGISTRY_SIGN_IN: Final = SignIn("kafka_registry")


class Authentication(StrEnum):
    """How clients and brokers know each other. All but ``plain`` encrypt the connection and check the brokers'
    certificates."""

    PLAIN = "plain"
    """Not at all: no encryption, no credentials."""
    TLS = "tls"
    MTLS = "mtls"
    """The client has a certificate, too."""
    SASL_PLAIN = "sasl-plain"
    SASL_SCRAM = "sasl-scram"
    """SHA-512, which is Amazon MSK's."""
    SASL_SCRAM_256 = "sasl-scram-256"
    SASL_SCRAM_512 = "sasl-scram-512"
    MSK_IAM = "msk-iam"
    """Amazon MSK with AWS credentials, from wherever AWS's own tools take them."""

    @property
    def has_password(self) -> bool:
        return self.value.startswith("sasl-")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """Everything that a table with ``adapter = "kafka"`` may say.

    ``bootstrap_servers`` is a list of ``host:port``, or text with commas between them. ``authentication`` is one of
    Authentication. ``username`` and password come from EVENTFLOW_KAFKA_USERNAME and EVENTFLOW_KAFKA_PASSWORD unless
    the table has ``username``, ``username_file`` or ``password_file``. ``ca_file`` holds the certificates to trust
    instead of the system's; ``cert_file`` and ``key_file`` are the client's own, all in PEM; the password of an
    encrypted key is in EVENTFLOW_KAFKA_KEY_PASSWORD.
    ``cluster_arn`` is for Amazon MSK: events then name it, and are ``aws:kafka``; without it the cluster is
    self-managed. ``schema_registry_uri`` is where functions with ``schema_validation_configs`` find their schemas;
    the password of ``schema_registry_username`` is in EVENTFLOW_KAFKA_REGISTRY_PASSWORD or
    ``schema_registry_password_file``, and ``schema_registry_ca_file`` is for it what ``ca_file`` is for brokers.
    ``client_id`` is how brokers' logs and quotas call this program.
    A process that says nothing for ``session_timeout_seconds`` loses its partitions to others. In a rebalance, a
    process has ``rebalance_timeout_seconds`` to finish what runs and give its partitions up.
    """

    bootstrap_servers: tuple[str, ...]
    authentication: Authentication = Authentication.PLAIN
    username: str | None = None
    username_file: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    cluster_arn: str | None = None
    client_id: str = "eventflow"
    schema_registry_uri: str | None = None
    schema_registry_username: str | None = None
    schema_registry_password_file: str | None = None
    schema_registry_ca_file: str | None = None
    session_timeout_seconds: float = 20
    rebalance_timeout_seconds: float = 30
    password: str | None = field(default=None, repr=False)
    schema_registry_password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, settings: AdapterSettings) -> KafkaOptions:
        """Raises ConfigurationError naming every key that does not exist and every value that cannot be."""
        options = settings.options
        problems = list(_problems(f"[environments.{settings.environment}] adapter kafka", options))
        if problems:
            raise ConfigurationError(problems)
        servers = tuple(_servers(options["bootstrap_servers"]))
        authentication = Authentication(options.get("authentication", Authentication.PLAIN))
        values = {**options, "bootstrap_servers": servers, "authentication": authentication}
        if authentication.has_password:
            values |= {"username": SIGN_IN.username(options), "password": SIGN_IN.password(options)}
        if "schema_registry_username" in options:
            file = {"password_file": options.get("schema_registry_password_file")}
            values["schema_registry_password"] = REGISTRY_SIGN_IN.password(file)
        return cls(**values)


_PASSWORDS: Final = ("password", "schema_registry_password")
_KNOWN: Final = tuple(option.name for option in fields(KafkaOptions) if option.name not in _PASSWORDS)
_FILES: Final = (*SIGN_IN_FILES, "schema_registry_password_file", "schema_registry_ca_file")
_SECONDS: Final = {"session_timeout_seconds": (6, 1_800), "rebalance_timeout_seconds": (6, 3_600)}
"""Brokers take no session timeout below 6 s or above 30 min unless they were told to."""
_SERVER: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_CLUSTER_ARN: Final = re.compile(r"arn:aws[a-z-]*:kafka:[a-z0-9-]+:\d{12}:cluster/[^/\s]+/[^/\s]+")


def _problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in options.items():
        if key not in _KNOWN:
            yield SIGN_IN.unknown_option(where, key, _KNOWN)
        elif (wanted := _wanted(key, value)) is not None:
            shown = "the address" if key == "schema_registry_uri" else repr(value)  # there may be a password in it
            yield Problem(where=where, field=key, message=f"{shown} is not allowed", hint=wanted)
    if "bootstrap_servers" not in options:
        hint = 'for example ["b-1.example.com:9092", "b-2.example.com:9092"]'
        yield Problem(where=where, field="bootstrap_servers", message="is missing", hint=hint)
    if options.get("authentication", Authentication.PLAIN) in list(Authentication):
        yield from _authentication_problems(where, options)
    yield from _registry_problems(where, options)


def _wanted(key: str, value: object) -> str | None:
    """What would be right for an option; ``None`` if it is."""
    if key == "bootstrap_servers":
        return None if _servers(value) else 'a list of host:port, e.g. ["b-1.example.com:9092"]'
    if key == "authentication":
        return None if value in list(Authentication) else f"one of {', '.join(Authentication)}"
    if key in _SECONDS:
        low, high = _SECONDS[key]
        number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return None if number else f"{low} to {high} seconds"
    if not isinstance(value, str) or not value:
        return "text"
    if key in _FILES and not Path(value).is_file():
        return "the path of a file"
    if key == "schema_registry_uri" and not _is_registry(value):
        return (
            "https://host[:port][/path], without a name, a password or a query; http:// for a registry without password"
        )
    if key == "cluster_arn" and not _CLUSTER_ARN.fullmatch(value):
        return "the ARN of an MSK cluster, arn:aws:kafka:<region>:<account>:cluster/<name>/<id>"
    return None


def _authentication_problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    """What belongs to another authentication than the one chosen, and what the chosen one lacks."""
    chosen = Authentication(options.get("authentication", Authentication.PLAIN))
    for key in ("username", "username_file", "password_file"):
        if key in options and not chosen.has_password:
            yield _pointless(where, key, chosen, "sasl-plain, sasl-scram, sasl-scram-256 or sasl-scram-512")
    for key in ("cert_file", "key_file"):
        if key in options and chosen is not Authentication.MTLS:
            yield _pointless(where, key, chosen, "mtls")
        elif key not in options and chosen is Authentication.MTLS:
            yield Problem(where=where, field=key, message='is missing: authentication is "mtls"', hint="a file in PEM")
    if "ca_file" in options and chosen is Authentication.PLAIN:
        yield _pointless(where, "ca_file", chosen, "tls")
    if chosen.has_password:
        yield from SIGN_IN.credential_problems(where, options)
        yield from SIGN_IN.missing_credentials(where, options, why=f'authentication is "{chosen}"')


def _registry_problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    uri, username = options.get("schema_registry_uri"), options.get("schema_registry_username")
    for key in ("schema_registry_username", "schema_registry_password_file", "schema_registry_ca_file"):
        if key in options and uri is None:
            message, hint = "does nothing: there is no schema_registry_uri", "set it, or leave this out"
            yield Problem(where=where, field=key, message=message, hint=hint)
    if username is None and "schema_registry_password_file" in options:
        hint = "set schema_registry_username"
        yield Problem(where=where, field="schema_registry_password_file", message="whose is it?", hint=hint)
    if username is None or not isinstance(uri, str):
        return
    if "schema_registry_password_file" not in options and not os.environ.get(REGISTRY_SIGN_IN.password_variable):
        hint = f"set {REGISTRY_SIGN_IN.password_variable}, or name a file with it"
        yield Problem(where=where, field="schema_registry_password_file", message="there is no password", hint=hint)
    if urlsplit(uri).scheme == "http" and not _is_loopback(uri):
        message = f"{uri!r} is not encrypted, and would carry the password"
        yield Problem(where=where, field="schema_registry_uri", message=message, hint="https://")


def _is_registry(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    plain = "@" not in parts.netloc and not parts.query and not parts.fragment and port != 0
    return parts.scheme in ("https", "http") and bool(parts.hostname) and plain and uri.isprintable() and " " not in uri


def _is_loopback(uri: str) -> bool:
    return urlsplit(uri).hostname in ("127.0.0.1", "::1", "localhost")


def _pointless(where: str, key: str, chosen: Authentication, needed: str) -> Problem:
    message = f'does nothing: authentication is "{chosen}"'
    return Problem(where=where, field=key, message=message, hint=f"authentication = {needed}, or leave it out")


def _servers(value: object) -> list[str]:
    """The addresses, or nothing if any is not one."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(server, str) for server in listed):
        return []
    servers = [server.strip() for server in listed]
    return servers if all(map(_is_server, servers)) else []


def _is_server(text: str) -> bool:
    match = _SERVER.fullmatch(text)
    return match is not None and 0 < int(match[2]) < 65_536
