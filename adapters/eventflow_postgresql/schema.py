"""The tables, and making them."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from eventflow.errors import AdapterError

if TYPE_CHECKING:
    from eventflow_postgresql.link import Connection
    from eventflow_postgresql.options import PostgresqlOptions

VERSION: Final = 1

# lease_until is null while nobody has claimed an event. Rows live for milliseconds or wait for hours: vacuum has to
# look at what died, whatever the size of the table.
_TABLES: Final = """
CREATE TABLE {schema}.events (
    queue text NOT NULL,
    request_id text NOT NULL,
    function_name text NOT NULL,
    source text NOT NULL,
    payload bytea NOT NULL,
    accepted_at double precision NOT NULL,
    due_at double precision NOT NULL,
    attempt integer NOT NULL,
    backoffs integer NOT NULL,
    deliveries text,
    delivery_attempt integer NOT NULL,
    claimed_by uuid,
    lease_until timestamptz,
    PRIMARY KEY (request_id, queue),
    CHECK ((claimed_by IS NULL) = (lease_until IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX unclaimed_events ON {schema}.events (queue, due_at) WHERE lease_until IS NULL;
CREATE INDEX claimed_events ON {schema}.events (queue, lease_until) WHERE lease_until IS NOT NULL;
CREATE TABLE {schema}.version (version integer NOT NULL);
INSERT INTO {schema}.version VALUES ({version});
"""


def quoted(identifier: str) -> str:
    """An identifier as SQL spells it. Source: PostgreSQL: Identifiers and Key Words."""
    return '"' + identifier.replace('"', '""') + '"'


def events_table(options: PostgresqlOptions) -> str:
    """The table of all events, as SQL spells it."""
    return f"{quoted(options.postgresql_schema)}.events"


async def make_tables(connection: Connection, resource: str, options: PostgresqlOptions) -> None:
    """Make the schema and what is in it, unless it is there. Any number of processes may do so at once.

    Raises AdapterError if a newer eventflow made it.
    """
    if await _version(connection, options) is None:
        async with connection.transaction():
            # Without the lock, two that make the same thing at once fail, even with IF NOT EXISTS.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _lock_key(options))
            if await _version(connection, options) is None:
                await _create(connection, options)
    version = await _version(connection, options)
    if version != VERSION:
        message = (
            f'schema "{options.postgresql_schema}" of {options.server} has format {version}, this eventflow knows'
            f" {VERSION}; upgrade eventflow, or set postgresql_schema to another name"
        )
        raise AdapterError(resource, message)


# These read the catalogue itself: to_regclass and its like answer from a cache, which waiting for the lock does not
# refresh.
_TABLE_EXISTS: Final = """
SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
               WHERE nspname = $1 AND relname = 'version')
"""
_SCHEMA_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)"


async def _version(connection: Connection, options: PostgresqlOptions) -> int | None:
    """The version of what is there; ``None`` if nothing is."""
    schema = options.postgresql_schema
    if not await connection.fetchval(_TABLE_EXISTS, schema):
        return None
    version: int | None = await connection.fetchval(f"SELECT max(version) FROM {quoted(schema)}.version")
    return version


async def _create(connection: Connection, options: PostgresqlOptions) -> None:
    schema = options.postgresql_schema
    # CREATE SCHEMA IF NOT EXISTS demands the permission to make it even if it is there.
    if not await connection.fetchval(_SCHEMA_EXISTS, schema):
        await connection.execute(f"CREATE SCHEMA {quoted(schema)}")
    await connection.execute(_TABLES.format(schema=quoted(schema), version=VERSION))


def _lock_key(options: PostgresqlOptions) -> int:
    digest = blake2b(f"eventflow schema {options.postgresql_schema}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
