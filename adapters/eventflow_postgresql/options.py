"""What an environment says about its PostgreSQL server, checked. No message repeats a URL: it may hold a password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.known_options import known_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.ports import AdapterSettings

_SCHEMES: Final = frozenset({"postgresql", "postgres"})
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\[\]:@]*)(:\d{1,5})?")
_LEASE_SECONDS: Final = (1, 3_600)
_SCHEMA_BYTES: Final = 63
"""Source: PostgreSQL: Identifiers and Key Words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlOptions:
    """The options of this adapter.

    ``postgresql_url`` is ``postgresql://user:password@host:5432/database``, with libpq's parameters; what it leaves
    out, and all of it if there is none, comes from libpq's ``PG*`` environment variables and password file. Tables
    live in the schema ``postgresql_schema``. A claim that is not renewed for ``lease_seconds`` is free for others.
    ``server`` is how messages name the server.
    """

    postgresql_url: str | None = field(default=None, repr=False)
    postgresql_schema: str = "eventflow"
    lease_seconds: float = 60
    server: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", _server(self.postgresql_url, os.environ))

    @classmethod
    def parse(cls, settings: AdapterSettings) -> PostgresqlOptions:
        """Read an environment's options. Raises ConfigurationError that lists every mistake in them."""
        problems = list(_problems(settings.options, f"[environments.{settings.environment}]"))
        if problems:
            raise ConfigurationError(problems)
        return cls(**settings.options)


def _problems(options: Mapping[str, Any], where: str) -> Iterator[Problem]:
    known = [option.name for option in fields(PostgresqlOptions) if option.init]
    for key in sorted(options.keys() - set(known)):
        hint = known_options(key, known)
        yield Problem(where=where, field=key, message="is not an option of the postgresql adapter", hint=hint)
    if not _is_url(options.get("postgresql_url", "postgresql:")):
        hint = (
            "postgresql://user@host:5432/database; keep the password in PGPASSWORD or a password file,"
            " or percent-encode it"
        )
        yield Problem(where=where, field="postgresql_url", message="is not the URL of a database", hint=hint)
    schema = options.get("postgresql_schema", "eventflow")
    if not _is_schema(schema):
        hint = f"a name of at most {_SCHEMA_BYTES} bytes that does not begin with pg_"
        yield Problem(where=where, field="postgresql_schema", message=f"{schema!r} is not allowed", hint=hint)
    lease = options.get("lease_seconds", 60)
    low, high = _LEASE_SECONDS
    if isinstance(lease, bool) or not isinstance(lease, int | float) or not low <= lease <= high:
        hint = f"{low} to {high} seconds"
        yield Problem(where=where, field="lease_seconds", message=f"{lease!r} is not allowed", hint=hint)


def _is_url(url: object) -> bool:
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    # Another @, a # or a / that nobody encoded belongs to a password, and would change what the rest means.
    plain = url.count("@") == parts.netloc.count("@") <= 1 and not parts.fragment and "/" not in parts.path[1:]
    return parts.scheme in _SCHEMES and plain and all(map(_is_host, _hosts(parts).split(",")))


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int((match[2] or ":5432")[1:]) in range(1, 65_536)


def _is_schema(name: object) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name.encode(errors="replace")) <= _SCHEMA_BYTES
        and not name.lower().startswith("pg_")
        and name.isprintable()
    )


def _hosts(parts: SplitResult) -> str:
    return unquote(parts.netloc.rpartition("@")[2])


def _server(url: str | None, variables: Mapping[str, str]) -> str:
    """Host, port and database, as far as URL and environment variables tell."""
    parts = urlsplit(url or "")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    port = query.get("port") or variables.get("PGPORT") or "5432"
    service = query.get("service") or variables.get("PGSERVICE")
    if service and not _hosts(parts):
        return f"service {service}"
    hosts = _hosts(parts) or query.get("host") or variables.get("PGHOST") or "localhost"
    named = ",".join(host if ":" in host.rpartition("]")[2] else f"{host}:{port}" for host in hosts.split(","))
    database = unquote(parts.path[1:]) or query.get("dbname") or query.get("database") or variables.get("PGDATABASE")
    return f"{named}, database {database}" if database else named
