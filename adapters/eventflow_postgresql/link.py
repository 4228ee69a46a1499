"""One connection to the server, opened when it is needed and again after it was lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from eventflow.errors import AdapterError, InvalidMessageError, UnavailableError
from eventflow_postgresql.failures import translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventflow_postgresql.options import PostgresqlOptions

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[Any]"

CONNECT_SECONDS: Final = 10.0
STATEMENT_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 2.0
CHECK_AFTER_SECONDS: Final = 60.0
CHECK_SECONDS: Final = 2.0
OLDEST_VERSION: Final = 12

# What the adapter promises does not depend on how the server, the database or the role is configured. "off" would
# lose events that were reported as stored; anything stricter than "on" is the operator's choice and stays. The
# statements are written for indexes and for few rows, whatever the statistics of a table say that is empty one
# minute and full the next, so plans are made for each execution and never scan a table that has an index.
_PREPARE: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET plan_cache_mode = force_custom_plan;
SET enable_seqscan = off;
SET jit = off;
"""


class Link:
    """Runs one piece of work at a time on a connection of its own.

    ``prepare`` is called with every new connection before anything else. Any error closes the connection, so that
    no doubt about its state outlives the call; the next call opens another. A connection that nobody has used for
    ``check_after_seconds`` is tried first: gateways forget idle connections without telling either end.
    """

    def __init__(
        self,
        options: PostgresqlOptions,
        resource: str,
        *,
        prepare: Callable[[Connection], Awaitable[None]] | None = None,
        check_after_seconds: float = CHECK_AFTER_SECONDS,
    ) -> None:
        self._options = options
        self._resource = resource
        self._prepare = prepare
        self._check_after_seconds = check_after_seconds
        self._used_at = 0.0
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do ``work`` with the connection. What it wrote is durable when this returns.

        Raises UnavailableError if the server cannot be reached, is lost meanwhile or does not answer; whether the
        work was done is then unknown. Raises InvalidMessageError for data that cannot be stored, and another
        AdapterError for what somebody has to mend.
        """
        async with self._lock:
            try:
                connection = await self._connected()
                async with asyncio.timeout(STATEMENT_SECONDS):
                    result = await work(connection)
                self._used_at = asyncio.get_running_loop().time()
                return result
            except Exception as error:
                self.terminate()
                problem = translated(error, self._resource, self._options)
                if problem is error:
                    raise
                # The cause of an InvalidMessageError quotes the data.
                raise problem from None if isinstance(problem, InvalidMessageError) else error
            except BaseException:
                self.terminate()
                raise

    def terminate(self) -> None:
        """Close the connection at once, whatever it is doing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def aclose(self) -> None:
        """Say good-bye and close the connection for good. Idempotent; never raises an AdapterError."""
        self._closed = True
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            # Where it was lost before, it is as closed as can be.
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=CLOSE_SECONDS)

    async def _connected(self) -> Connection:
        if self._closed:
            raise UnavailableError(self._resource, "is closed")
        if self._connection is not None and not await self._is_alive(self._connection):
            self.terminate()
        if self._connection is None:
            self._connection = await self._connect()
        return self._connection

    async def _is_alive(self, connection: Connection) -> bool:
        if connection.is_closed():
            return False
        if asyncio.get_running_loop().time() - self._used_at < self._check_after_seconds:
            return True
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await connection.execute("SELECT")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    async def _connect(self) -> Connection:
        connection = await self._open()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._check_version(connection.get_server_version().major)
                await connection.execute(_PREPARE)
                if self._prepare is not None:
                    await self._prepare(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _open(self) -> Connection:
        try:
            return await asyncpg.connect(
                self._options.postgresql_url,
                timeout=CONNECT_SECONDS,
                max_cached_statement_lifetime=0,
                server_settings={"application_name": "eventflow"},
                target_session_attrs=SessionAttribute.read_write,  # of several hosts, the one that is the primary now
            )
        except (ValueError, LookupError) as error:  # a PG* variable or a parameter; or this user has no name
            message = f"the connection to {self._options.server} cannot be configured: {error}"
            raise AdapterError(self._resource, message) from error

    def _check_version(self, version: int) -> None:
        if version < OLDEST_VERSION:
            message = f"{self._options.server} is PostgreSQL {version}; {OLDEST_VERSION} or newer is needed"
            raise AdapterError(self._resource, message)
