"""What an environment says about its RabbitMQ broker, checked. No message repeats a password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.message_queues import DEFAULT_VIRTUAL_HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.ports import AdapterSettings

USERNAME_VARIABLE: Final = "EVENTFLOW_RABBITMQ_USERNAME"
PASSWORD_VARIABLE: Final = "EVENTFLOW_RABBITMQ_PASSWORD"
KEY_PASSWORD_VARIABLE: Final = "EVENTFLOW_RABBITMQ_KEY_PASSWORD"
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
    username: str | None = None
    username_file: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    management_url: str | None = None
    broker_arn: str | None = None
    client_id: str = "eventflow"
    heartbeat_seconds: int = 10
    password: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        username = _secret(self.username, self.username_file, USERNAME_VARIABLE)
        object.__setattr__(self, "username", username or GUEST)
        object.__setattr__(self, "password", _secret(None, self.password_file, PASSWORD_VARIABLE) or GUEST)

    @classmethod
    def parse(cls, settings: AdapterSettings) -> RabbitMQOptions:
        """Raises ConfigurationError naming every key that does not exist and every value that cannot be."""
        options = settings.options
        problems = list(_problems(f"[environments.{settings.environment}] adapter rabbitmq", options))
        if problems:
            raise ConfigurationError(problems)
        return cls(**{**options, "url": tuple(_urls(options["url"]))})

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


_KNOWN: Final = tuple(option.name for option in fields(RabbitMQOptions) if option.init)
_FILES: Final = ("username_file", "password_file", "ca_file", "cert_file", "key_file")
_ENCRYPTING: Final = ("ca_file", "cert_file", "key_file")
_BROKER_ARN: Final = re.compile(r"arn:aws[a-z-]*:mq:[a-z0-9-]+:\d{12}:broker:[^:\s]+:[^:\s]+")
_HEARTBEAT_SECONDS: Final = (2, 3_600)
_EXAMPLE: Final = '"amqps://mq-1.example.com:5671", or a list of such'


def _problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in options.items():
        if key == "password":
            hint = f"set {PASSWORD_VARIABLE}, or name a password_file"
            yield Problem(where=where, field=key, message="does not belong into a file of settings", hint=hint)
        elif key not in _KNOWN:
            hint = f"known: {', '.join(_KNOWN)}"
            yield Problem(where=where, field=key, message="is not an option of the rabbitmq adapter", hint=hint)
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
        hint = f"set {USERNAME_VARIABLE} and {PASSWORD_VARIABLE}, or username and password_file"
        yield Problem(where=where, field="url", message="holds credentials, which do not belong there", hint=hint)
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
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if key in options and other not in options:
            yield Problem(where=where, field=other, message=f"is missing: there is a {key}", hint="a file in PEM")
    if {"username", "username_file"} <= options.keys():
        message = "there is a username already"
        yield Problem(where=where, field="username_file", message=message, hint="keep one of them")
    if all(_is_loopback(_address(url).host) for url in urls):
        return
    if not ({"username", "username_file"} & options.keys() or os.environ.get(USERNAME_VARIABLE)):
        hint = f"set it, or {USERNAME_VARIABLE}, or username_file"
        yield Problem(where=where, field="username", message="is missing", hint=hint)
    if "password_file" not in options and not os.environ.get(PASSWORD_VARIABLE):
        hint = f"set {PASSWORD_VARIABLE}, or name a file with it"
        yield Problem(where=where, field="password_file", message="there is no password", hint=hint)


def _wanted(key: str, value: object) -> str | None:
    """What would be right for an option; ``None`` if it is."""
    if key == "heartbeat_seconds":
        low, high = _HEARTBEAT_SECONDS
        whole = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if whole else f"{low} to {high} seconds, whole ones"
    if not isinstance(value, str) or not value:
        return "text"
    if key in _FILES and not Path(value).is_file():
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


def _secret(given: str | None, file: str | None, variable: str) -> str | None:
    if given is not None:
        return given
    return os.environ.get(variable) if file is None else Path(file).read_text(encoding="utf-8").strip()
