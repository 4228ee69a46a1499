"""Connects to the first broker that takes us."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from functools import partial
from typing import TYPE_CHECKING, Final

from eventflow_activemq.connection import Connection
from eventflow_activemq.faults import DENIED, BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow_activemq.options import ActiveMQOptions, Address

CONNECT_SECONDS: Final = 10.0
"""For one address, from its name to its welcome."""


class Brokers:
    """The addresses of one broker, of which one at a time answers if they are a pair."""

    def __init__(self, options: ActiveMQOptions, tls: ssl.SSLContext | None) -> None:
        self._options = options
        self._tls = tls
        self._first = 0

    async def connect(self, on_lost: Callable[[Connection], None]) -> Connection:
        """Try the addresses in turn, beginning with the last that answered.

        Raises BrokerError, OSError or TimeoutError: of several, the one that says most.
        """
        addresses = self._options.brokers
        order = [(self._first + step) % len(addresses) for step in range(len(addresses))]
        errors: list[Exception] = []
        for index in order:
            try:
                connection = await self._connect(addresses[index], on_lost)
            except (BrokerError, OSError, TimeoutError) as exc:
                errors.append(_at(addresses[index], exc))
            else:
                self._first = index
                return connection
        raise max(errors, key=_weight)

    async def _connect(self, address: Address, on_lost: Callable[[Connection], None]) -> Connection:
        options = self._options
        make = partial(
            Connection,
            address.host,
            username=options.username,
            password=options.password,
            # A broker takes each name once: one that it still holds for a connection of before must not be in the way.
            container=f"{options.client_id}-{uuid.uuid4().hex}",
            heartbeat_seconds=options.heartbeat_seconds,
            on_lost=on_lost,
        )
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await asyncio.get_running_loop().create_connection(
                make, address.host, address.port, ssl=self._tls if address.tls else None
            )
            try:
                await asyncio.shield(connection.opened)
            except BaseException:
                connection.abort(BrokerError("", "was given up"))
                raise
            return connection


def _at(address: Address, exc: Exception) -> Exception:
    """The error, naming the address where it does not do so already."""
    if isinstance(exc, BrokerError):
        return BrokerError(exc.condition, f"{address}: {exc}")
    if isinstance(exc, ssl.SSLError):
        return exc
    return BrokerError("", f"{address}: {str(exc) or f'no answer within {CONNECT_SECONDS:.0f} s'}")


def _weight(exc: Exception) -> int:
    """What a broker said tells more than that it was not reached."""
    if isinstance(exc, BrokerError):
        return 2 if exc.condition in DENIED else 0
    return 1
