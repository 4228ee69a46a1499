"""asyncpg's errors as eventflow's. None of their texts repeats a password or the data of an event."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import asyncpg

from eventflow.errors import (
    AccessDeniedError,
    AdapterError,
    InvalidMessageError,
    ResourceNotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from eventflow_postgresql.options import PostgresqlOptions

_PASSING: Final = frozenset({"08", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE that say that trying again is right. Source: PostgreSQL: Error Codes."""
_ACCESS: Final = frozenset({"28"})
_DATA: Final = frozenset({"22"})
_READ_ONLY: Final = "25006"
_NO_PERMISSION: Final = "42501"
_NO_DATABASE: Final = "3D000"
_NO_TABLE: Final = frozenset({"3F000", "42P01"})


def translated(error: Exception, resource: str, options: PostgresqlOptions) -> Exception:
    """The AdapterError that says what ``error`` means; what is no error of asyncpg or the network stays as it is."""
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error, resource, options)
    server = options.server
    if isinstance(error, ssl.SSLCertVerificationError):
        message = (
            f"the certificate of {server} is not trusted ({error.verify_message}); set sslrootcert or PGSSLROOTCERT"
        )
        return AccessDeniedError(resource, message)
    if isinstance(error, TimeoutError):
        return UnavailableError(resource, f"{server} did not answer in time")
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return UnavailableError(resource, f"{server} takes no writes: it is a standby, or read-only")
    if isinstance(error, asyncpg.DataError | UnicodeError):  # their texts quote the data
        return InvalidMessageError(resource, "the event holds text that PostgreSQL cannot store")
    if isinstance(error, OSError):
        return UnavailableError(resource, f"{server} cannot be reached: {error}")
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return UnavailableError(resource, f"the connection to {server} was lost: {error}")
    return error


def _from_server(error: asyncpg.PostgresError, resource: str, options: PostgresqlOptions) -> AdapterError:
    # Only the message: the details of an error may quote a row.
    state, said, server = error.sqlstate or "", error.args[0] if error.args else "", options.server
    if state[:2] in _PASSING or state == _READ_ONLY:
        return UnavailableError(resource, f"{server} is not available: {said}")
    if state[:2] in _ACCESS:
        mend = "check user and password in postgresql_url or PGUSER and PGPASSWORD, and the server's pg_hba.conf"
        return AccessDeniedError(resource, f"{server} refuses the user: {said}; {mend}")
    if state == _NO_PERMISSION:
        schema = options.postgresql_schema
        mend = (
            f'either GRANT CREATE ON DATABASE, once, or make schema "{schema}" and its tables as another user and'
            f' GRANT USAGE ON SCHEMA "{schema}" and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{schema}"'
        )
        return AccessDeniedError(resource, f"{server}: {said}; {mend}")
    if state == _NO_DATABASE:
        return ResourceNotFoundError(resource, f"{server}: {said}; create the database")
    if state in _NO_TABLE:
        mend = f'the tables in schema "{options.postgresql_schema}" are gone; a restart makes new ones'
        return ResourceNotFoundError(resource, f"{server}: {said}; {mend}")
    if state[:2] in _DATA:
        return InvalidMessageError(resource, f"{server} cannot store this event: {said}")
    return AdapterError(resource, f"{server} reported {said} (SQLSTATE {state})")
