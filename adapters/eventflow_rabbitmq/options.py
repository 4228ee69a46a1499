"""What an environment says about its RabbitMQ broker, checked. No message repeats a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.message_queues import DEFAULT_VIRTUAL_HOST
from eventflow.ports.sign_in import SIGN_IN_FILES, SignIn

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from eventflow.ports import AdapterSettings

SIGN_IN: Final = SignIn("rabbitmq")
GUEST: Final = "guest"
"""The user that a fresh broker has; it may sign in from the same machine only."""
PORTS: Final = {"amqp": 5672, "amqps": 5671}


class BrokerAddress(NamedTuple):
    """Where a node of the broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMQOptions:
    """Everything that a table with ``adapter = "rabbitmq"`` may say.

    ``url`` is ``amqps://host:port/virtual_host`` or a list of such, tried in turn: the nodes of one broker. ``amqps``
    encrypts and checks the broker's certificate. Its virtual host is that of queues whose decorator names none.
    ``username`` and password come from EVENTFLOW_RABBITMQ_USERNAME and EVENTFLOW_RABBITMQ_PASSWORD unless the table has
    ``username``, ``username_file`` or ``password_file``; on this machine they are RabbitMQ's own ``guest`` unless said.
    ``ca_file`` holds the certificates to trust instead of the system's; ``cert_file`` and ``key_file`` are the client's
    own, all in PEM; the password of an encrypted key is in EVENTFLOW_RABBITMQ_KEY_PASSWORD.
    ``management_url`` is the management plugin's, ``https://host:15671``: with it ``eventflow check`` looks at the type
    and limits of queues. ``broker_arn`` is for Amazon MQ: events then name it. ``client_id`` is how the broker lists
    connections of this program. One that brings nothing for three times ``heartbeat_seconds`` is lost.
    """

    url: tuple[str, ...]
    username: str = GUEST
    username_file: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    management_url: str | None = None
    broker_arn: str | None = None
    client_id: str = "eventflow"
    heartbeat_seconds: int = 10
    password: str = field(default=GUEST, repr=False)

    @classmethod
    def parse(cls, settings: AdapterSettings) -> RabbitMQOptions:
        """Raises ConfigurationError naming every key that does not exist and every value that cannot be."""
        options = settings.options
        problems = list(_problems(f"[environments.{settings.environment}] adapter rabbitmq", options))
        if problems:
            raise ConfigurationError(problems)
        values = {**options, "url": tuple(_urls(options["url"]))}
        values["username"] = SIGN_IN.username(options) or GUEST
        values["password"] = SIGN_IN.password(options) or GUEST
        return cls(**values)

    @property
    def encrypted(self) -> bool:
        return self.url[0].startswith("amqps:")

    @property
    def addresses(self) -> tuple[BrokerAddress, ...]:
        return tuple(map(_address, self.url))

    @property
    def virtual_host(self) -> str:
        """That of queues whose decorator names none."""
        return _virtual_host(self.url[0])

    def ssl_context(self, where: str) -> ssl.SSLContext | None:
        """``None`` without encryption. Raises ConfigurationError if certificates cannot be read."""
        if not self.encrypted:
            return None
        return SIGN_IN.ssl_context(where, ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file)


_KNOWN: Final = tuple(option.name for option in fields(RabbitMQOptions) if option.name != "password")
_ENCRYPTING: Final = ("ca_file", "cert_file", "key_file")
_BROKER_ARN: Final = re.compile(r"arn:aws[a-z-]*:mq:[a-z0-9-]+:\d{12}:broker:[^:\s]+:[^:\s]+")
_HEARTBEAT_SECONDS: Final = (2, 3_600)
_EXAMPLE: Final = '"amqps://mq-1.example.com:5671", or a list of such'


def _problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in options.items():
        if key not in _KNOWN:
            yield SIGN_IN.unknown_option(where, key, _KNOWN)
        elif key == "url":
            yield from _url_problems(where, value)
        elif (wanted := _wanted(key, value)) is not None:
            shown = "its value" if key == "management_url" else repr(value)
            yield Problem(where=where, field=key, message=f"{shown} is not allowed", hint=wanted)
    if "url" not in options:
        yield Problem(where=where, field="url", message="is missing", hint=f"for example {_EXAMPLE}")
    elif urls := _urls(options["url"]):
        yield from _security_problems(where, options, urls)


def _url_problems(where: str, value: object) -> Iterator[Problem]:
    """What is wrong with the addresses. They may hold a password where none belongs, so none is repeated then."""
    if _has_credentials(value):
        yield SIGN_IN.misplaced_credentials(where, "url")
    elif not (urls := _urls(value)):
        yield Problem(where=where, field="url", message=f"{value!r} is not allowed", hint=_EXAMPLE)
    elif len({(urlsplit(url).scheme, _virtual_host(url)) for url in urls}) > 1:
        hint = "several addresses are nodes of one broker: with the same scheme and virtual host"
        yield Problem(where=where, field="url", message=f"{value!r} is not allowed", hint=hint)


def _security_problems(where: str, options: Mapping[str, Any], urls: list[str]) -> Iterator[Problem]:
    if not urls[0].startswith("amqps:"):
        for key in _ENCRYPTING:
            if key in options:
                yield Problem(
                    where=where, field=key, message="does nothing without amqps://", hint="encrypt, or drop it"
                )
    yield from SIGN_IN.credential_problems(where, options)
    if not all(_is_loopback(_address(url).host) for url in urls):
        yield from SIGN_IN.missing_credentials(where, options, why="the broker is on another machine")


def _wanted(key: str, value: object) -> str | None:
    """What would be right for an option; ``None`` if it is."""
    if key == "heartbeat_seconds":
        low, high = _HEARTBEAT_SECONDS
        whole = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if whole else f"{low} to {high} seconds, whole ones"
    if not isinstance(value, str) or not value:
        return "text"
    if key in SIGN_IN_FILES and not Path(value).is_file():
        return "the path of a file"
    if key == "broker_arn" and not _BROKER_ARN.fullmatch(value):
        return "the ARN of an Amazon MQ broker, arn:aws:mq:<region>:<account>:broker:<name>:<id>"
    if key == "management_url" and not _is_plain(value, ("http", "https")):
        return "the management plugin's address without credentials, e.g. https://mq-1.example.com:15671"
    return None


def _urls(value: object) -> list[str]:
    """The addresses, or nothing if any is not one."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(url, str) for url in listed):
        return []
    urls = [url.strip() for url in listed]
    return urls if all(_is_plain(url, tuple(PORTS)) for url in urls) else []


def _is_plain(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether it is the URL of a host, and nothing else than a path goes with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in schemes and bool(parts.hostname) and plain and port != 0


def _has_credentials(value: object) -> bool:
    listed = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(url, str) and "@" in url for url in listed)


def _address(url: str) -> BrokerAddress:
    parts = urlsplit(url)
    return BrokerAddress(parts.hostname or "", parts.port or PORTS[parts.scheme])


def _virtual_host(url: str) -> str:
    return unquote(urlsplit(url).path[1:]) or DEFAULT_VIRTUAL_HOST


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
