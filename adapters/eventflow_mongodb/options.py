"""What an environment says about its DocumentDB or MongoDB cluster, checked. No message repeats a URI or a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl

from eventflow.errors import ConfigurationError, Problem
from eventflow.ports.sign_in import SignIn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.ports import AdapterSettings

SIGN_IN: Final = SignIn("mongodb")
DEFAULT_PORT: Final = 27017


class Authentication(StrEnum):
    """How this program shows who it is."""

    NONE = "none"
    """Not at all."""
    SCRAM = "scram"
    """User and password; the server says with which digest, SHA-256 or SHA-1 (DocumentDB's)."""
    X509 = "x509"
    """The client's certificate."""
    AWS = "aws"
    """AWS credentials, from wherever AWS's own tools take them. Takes the package ``pymongo[aws]``."""


class Address(NamedTuple):
    """A URI, taken apart. ``hosts`` are ``host:port``, or the one name of a ``mongodb+srv`` URI."""

    hosts: tuple[str, ...]
    srv: bool
    parameters: Mapping[str, str]

    @property
    def text(self) -> str:
        """What may be printed, e.g. ``mongodb://db-1.example:27017,db-2.example:27017``."""
        return f"{'mongodb+srv' if self.srv else 'mongodb'}://{','.join(self.hosts)}"

    @property
    def is_documentdb(self) -> bool:
        """Whether these are Amazon's own names."""
        names = (host.rpartition(":")[0] or host for host in self.hosts)
        return all(_DOCUMENTDB.fullmatch(name) is not None for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class MongodbOptions:
    """Everything that a table with ``adapter = "mongodb"`` may say.

    ``uri`` is ``mongodb://`` or ``mongodb+srv://`` with MongoDB's own parameters; where it is silent, connections to
    ``*.docdb.amazonaws.com`` are encrypted. ``authentication`` is one of Authentication; without it, ``scram`` if there
    is a username, else ``none``. Username and password come from EVENTFLOW_MONGODB_USERNAME and
    EVENTFLOW_MONGODB_PASSWORD unless the table has ``username``, ``username_file`` or ``password_file``.
    ``tls`` overrides the URI. ``ca_file`` holds the certificates to trust instead of the system's, ``cert_file`` the
    client's own with its key, all in PEM; the password of an encrypted key is in EVENTFLOW_MONGODB_KEY_PASSWORD.
    ``cluster_arn`` is what events name as their source; without it they name the hosts.
    Leases and positions lie in the collection ``lease_collection`` of ``lease_database``. A process that says nothing
    for ``lease_seconds`` loses its subscriptions to others.
    """

    uri: str = field(repr=False)
    authentication: Authentication = Authentication.NONE
    username: str | None = None
    username_file: str | None = None
    password_file: str | None = None
    tls: bool | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    cluster_arn: str | None = None
    lease_database: str = "eventflow"
    lease_collection: str = "leases"
    lease_seconds: float = 30
    password: str | None = field(default=None, repr=False)

    @property
    def address(self) -> Address:
        return _parsed(self.uri)

    @property
    def encrypted(self) -> bool:
        """Whether connections are; the URI's own word is left to the driver to read."""
        return _encrypted(self.address, self.tls)

    @classmethod
    def parse(cls, settings: AdapterSettings) -> MongodbOptions:
        """Raises ConfigurationError naming every key that does not exist and every value that cannot be."""
        options = settings.options
        problems = list(_problems(f"[environments.{settings.environment}] adapter mongodb", options))
        if problems:
            raise ConfigurationError(problems)
        chosen = _authentication(options)
        values = {**options, "authentication": chosen}
        if chosen is Authentication.SCRAM:
            values |= {"username": SIGN_IN.username(options), "password": SIGN_IN.password(options)}
        return cls(**values)


_KNOWN: Final = tuple(option.name for option in fields(MongodbOptions) if option.name != "password")
_FILES: Final = ("username_file", "password_file", "ca_file", "cert_file")
_LEASE_SECONDS: Final = (1, 3_600)
_URI: Final = re.compile(r"mongodb(\+srv)?://([^@/?]+)(?:/([^?]*))?(?:\?(.*))?")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")
_DOCUMENTDB: Final = re.compile(r"[a-z0-9.-]+\.docdb\.amazonaws\.com(\.cn)?")
_CLUSTER_ARN: Final = re.compile(r"arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{12}:cluster:[^:/\s]+")
_DATABASE: Final = re.compile(r"[^\x00-\x20/\\.\"$]{1,63}")
_COLLECTION: Final = re.compile(r"(?!system\.)[^\x00$]{1,57}")
_WANTED: Final = {
    "uri": "mongodb://host:27017 or mongodb+srv://name",
    "authentication": f"one of {', '.join(Authentication)}",
    "tls": "true or false",
    "cluster_arn": "the ARN of a DocumentDB cluster, arn:aws:rds:<region>:<account>:cluster:<name>",
    "lease_database": '1 to 63 characters, no space and none of / \\ . " $',
    "lease_collection": "1 to 57 characters without $, not beginning with system.",
    "lease_seconds": "{} to {} seconds".format(*_LEASE_SECONDS),
}


def _problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    wrong = set()
    for key, value in options.items():
        if key not in _KNOWN:
            yield SIGN_IN.unknown_option(where, key, _KNOWN)
        elif key == "uri" and "@" in str(value):
            wrong.add(key)
            yield SIGN_IN.misplaced_credentials(where, key)
        elif not _is_allowed(key, value):
            wrong.add(key)
            message = "is not allowed" if key == "uri" else f"{value!r} is not allowed"
            hint = _WANTED.get(key, "the path of a file" if key in _FILES else "text")
            yield Problem(where=where, field=key, message=message, hint=hint)
    if "uri" not in options:
        hint = 'for example "mongodb://db-1.example:27017,db-2.example:27017/?replicaSet=rs0"'
        yield Problem(where=where, field="uri", message="is missing", hint=hint)
    if "uri" in options and not wrong & {"uri", "authentication", "tls"}:
        yield from _authentication_problems(where, options)
        yield from _encryption_problems(where, options)


def _is_allowed(key: str, value: object) -> bool:
    if key == "tls":
        return isinstance(value, bool)
    if key == "lease_seconds":
        low, high = _LEASE_SECONDS
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not isinstance(value, str) or not value:
        return False
    match key:
        case "uri":
            return _is_uri(value)
        case "authentication":
            return value in list(Authentication)
        case "cluster_arn":
            return _CLUSTER_ARN.fullmatch(value) is not None
        case "lease_database":
            return _DATABASE.fullmatch(value) is not None
        case "lease_collection":
            return _COLLECTION.fullmatch(value) is not None
    return key not in _FILES or Path(value).is_file()


def _authentication_problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    """What belongs to another authentication than the one chosen, what is said twice, and what is missing."""
    chosen = _authentication(options)
    if "authMechanism" in _parsed(options["uri"]).parameters:
        hint = f"say it with authentication = {', '.join(Authentication)}"
        yield Problem(where=where, field="uri", message="has an authMechanism", hint=hint)
    for key in ("username", "username_file", "password_file"):
        if key in options and chosen is not Authentication.SCRAM:
            hint = 'authentication = "scram", or leave it out'
            yield Problem(where=where, field=key, message=f'does nothing: authentication is "{chosen}"', hint=hint)
    if chosen is Authentication.SCRAM:
        yield from SIGN_IN.username_problems(where, options)
        yield from SIGN_IN.missing_credentials(where, options, why='authentication is "scram"')
    if chosen is Authentication.X509 and "cert_file" not in options:
        hint = "the client's certificate and key in one file in PEM"
        yield Problem(where=where, field="cert_file", message='is missing: authentication is "x509"', hint=hint)


def _encryption_problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    encrypted = _encrypted(_parsed(options["uri"]), options.get("tls"))
    for key in ("ca_file", "cert_file"):
        if key in options and not encrypted:
            message = "does nothing: connections are not encrypted"
            yield Problem(where=where, field=key, message=message, hint="tls = true, or leave it out")
    if _authentication(options) is Authentication.X509 and not encrypted:
        yield Problem(where=where, field="authentication", message='"x509" takes encryption', hint="tls = true")


def _encrypted(address: Address, tls: bool | None) -> bool:
    if tls is not None:
        return tls
    said = next((value for name, value in address.parameters.items() if name.lower() in ("tls", "ssl")), None)
    return address.srv or address.is_documentdb if said is None else said == "true"


def _authentication(options: Mapping[str, Any]) -> Authentication:
    if "authentication" in options:
        return Authentication(options["authentication"])
    says_who = SIGN_IN.has_username(options) or "password_file" in options
    return Authentication.SCRAM if says_who else Authentication.NONE


def _is_uri(uri: str) -> bool:
    match = _URI.fullmatch(uri)
    if match is None:
        return False
    srv, hosts, _, query = match.groups()
    listed = hosts.split(",")
    named = all(_is_host(host) for host in listed) and not (srv and (len(listed) > 1 or ":" in hosts))
    try:
        parse_qsl(query or "", strict_parsing=bool(query))
    except ValueError:
        return False
    return named


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int((match[2] or f":{DEFAULT_PORT}")[1:]) in range(1, 65_536)


def _parsed(uri: str) -> Address:
    match = _URI.fullmatch(uri)
    if match is None:
        raise AssertionError("the URI was not checked")
    srv, hosts, _, query = match.groups()
    ports = "" if srv else f":{DEFAULT_PORT}"
    return Address(
        hosts=tuple(host if ":" in host.rpartition("]")[2] else f"{host}{ports}" for host in hosts.split(",")),
        srv=srv is not None,
        parameters=dict(parse_qsl(query or "")),
    )
