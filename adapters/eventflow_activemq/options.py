"""What an environment says about its ActiveMQ broker, checked. No message repeats a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.message_queues import ACTIVEMQ_REDELIVERIES
from eventflow.ports.sign_in import SIGN_IN_FILES, SignIn

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from eventflow.ports import AdapterSettings

SIGN_IN: Final = SignIn("activemq")


class Address(NamedTuple):
    """Where a broker listens for AMQP 1.0."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'amqps' if self.tls else 'amqp'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveMQOptions:
    """Everything that a table with ``adapter = "activemq"`` may say.

    ``brokers`` is a list of ``amqps://host:port`` or, without encryption, ``amqp://host:port``, or text with commas
    between them: one broker, or the active and the standby ones of a pair. ``username`` and password come from
    EVENTFLOW_ACTIVEMQ_USERNAME and EVENTFLOW_ACTIVEMQ_PASSWORD unless the table has ``username``, ``username_file`` or
    ``password_file``; without a username the broker is told of none. ``ca_file`` holds the certificates to trust
    instead of the system's; ``cert_file`` and ``key_file`` are the client's own, all in PEM; the password of an
    encrypted key is in EVENTFLOW_ACTIVEMQ_KEY_PASSWORD.
    ``broker_arn`` is for Amazon MQ: events then name it. ``client_id`` begins the names under which the broker sees
    the connections of this program. ``selectors`` is a table of queues and JMS selectors
    (``orders = "region = 'eu'"``): what a selector does not match is left in the queue, for others.
    A broker that says nothing for ``heartbeat_seconds`` is gone. A message that was redelivered
    ``maximum_redeliveries`` times and fails again goes to the broker's dead-letter queue: 6 times as in Lambda, or -1
    for never. A mapping with ``maximum_retry_attempts`` sees to that itself.
    """

    brokers: tuple[Address, ...]
    username: str | None = None
    username_file: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    broker_arn: str | None = None
    client_id: str = "eventflow"
    heartbeat_seconds: float = 30
    maximum_redeliveries: int = ACTIVEMQ_REDELIVERIES
    selectors: Mapping[str, str] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, settings: AdapterSettings) -> ActiveMQOptions:
        """Raises ConfigurationError naming every key that does not exist and every value that cannot be."""
        options = settings.options
        problems = list(_problems(f"[environments.{settings.environment}] adapter activemq", options))
        if problems:
            raise ConfigurationError(problems)
        values = {**options, "brokers": tuple(_addresses(options["brokers"]))}
        if username := SIGN_IN.username(options):
            values |= {"username": username, "password": SIGN_IN.password(options)}
        return cls(**values)

    def ssl_context(self, where: str) -> ssl.SSLContext | None:
        """``None`` if no broker is spoken to over TLS. Raises ConfigurationError if certificates cannot be read."""
        if not any(address.tls for address in self.brokers):
            return None
        return SIGN_IN.ssl_context(where, ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file)


_KNOWN: Final = tuple(option.name for option in fields(ActiveMQOptions) if option.name != "password")
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_BROKERS: Final = 'for example ["amqps://b-1.example.com:5671", "amqps://b-2.example.com:5671"]'
_BROKER_ARN: Final = re.compile(r"arn:aws[a-z-]*:mq:[a-z0-9-]+:\d{12}:broker:[^:\s]+:[^:\s]+")


def _problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in options.items():
        if key not in _KNOWN:
            yield SIGN_IN.unknown_option(where, key, _KNOWN)
        elif key == "brokers":
            yield from _broker_problems(where, value)
        elif (wanted := _wanted(key, value)) is not None:
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint=wanted)
    if "brokers" not in options:
        yield Problem(where=where, field="brokers", message="is missing", hint=_BROKERS)
    yield from _tls_problems(where, options)
    yield from _credential_problems(where, options)


def _broker_problems(where: str, value: object) -> Iterator[Problem]:
    """An address with a password in it is not repeated."""
    listed = _listed(value)
    if any("@" in text for text in listed):
        yield SIGN_IN.misplaced_credentials(where, "brokers")
    elif not listed or not all(map(_address, listed)):
        yield Problem(where=where, field="brokers", message=f"{value!r} is not allowed", hint=_BROKERS)


def _wanted(key: str, value: object) -> str | None:
    """What would be right for an option; ``None`` if it is."""
    if key == "heartbeat_seconds":
        number = isinstance(value, int | float) and not isinstance(value, bool) and 2 <= value <= 600
        return None if number else "2 to 600 seconds"
    if key == "maximum_redeliveries":
        whole = isinstance(value, int) and not isinstance(value, bool) and -1 <= value <= 10_000
        return None if whole else "0 to 10000, or -1 for no limit"
    if key == "selectors":
        table = isinstance(value, Mapping) and all(isinstance(text, str) and text for text in value.values())
        return None if table else "a table of queues and JMS selectors, e.g. {orders = \"region = 'eu'\"}"
    if not isinstance(value, str) or not value:
        return "text"
    if key in SIGN_IN_FILES and not Path(value).is_file():
        return "the path of a file"
    if key == "broker_arn" and not _BROKER_ARN.fullmatch(value):
        return "the ARN of an Amazon MQ broker, arn:aws:mq:<region>:<account>:broker:<name>:<id>"
    return None


def _tls_problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    addresses = _addresses(options.get("brokers"))
    if addresses and not any(address.tls for address in addresses):
        for key in ("ca_file", "cert_file", "key_file"):
            if key in options:
                message = "does nothing: no broker is spoken to over TLS"
                yield Problem(where=where, field=key, message=message, hint="amqps://, or leave it out")


def _credential_problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    yield from SIGN_IN.credential_problems(where, options)
    if SIGN_IN.has_username(options) != SIGN_IN.has_password(options):
        yield from SIGN_IN.missing_credentials(where, options, why="one goes with the other")


def _listed(value: object) -> list[str]:
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(text, str) for text in listed):
        return []
    return [text.strip() for text in listed]


def _addresses(value: object) -> list[Address]:
    """The addresses, or nothing if any is not one."""
    addresses = [_address(text) for text in _listed(value)]
    return [address for address in addresses if address] if all(addresses) else []


def _address(text: str) -> Address | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        return None
    if parts.path not in ("", "/") or port == 0:
        return None
    return Address(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "amqps")
