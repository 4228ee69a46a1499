"""Counting the messages of a queue by looking at them, which takes none away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from eventflow_activemq.lane import ANSWER_SECONDS
from eventflow_activemq.reader import Reader

if TYPE_CHECKING:
    from proton import Delivery

    from eventflow_activemq.connection import Connection
    from eventflow_activemq.faults import BrokerError

MOST_MESSAGES: Final = 200
MOST_BYTES: Final = 1024 * 1024
"""A browser is sent whole messages: it stops looking after so many bytes of them."""


async def count_messages(connection: Connection, queue: str, selector: str | None) -> int:
    """How many messages are in a queue, those in somebody's hands included; at most MOST_MESSAGES.

    Raises BrokerError, TimeoutError.
    """
    browser = _Browser(connection, queue, selector)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await browser.count
    finally:
        browser.close()


class _Browser:
    def __init__(self, connection: Connection, queue: str, selector: str | None) -> None:
        self.count: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._seen = self._bytes = 0
        self._reader = Reader(connection, self, queue, selector, browsing=True)
        connection.flush()

    def close(self) -> None:
        self._reader.close()

    def on_opened(self) -> None:
        if self._reader.link.remote_source.address is not None:
            self._reader.link.drain(MOST_MESSAGES)

    def on_credit(self) -> None:
        if self._reader.link.credit == 0:
            self._finish()

    def on_delivery(self, delivery: Delivery) -> None:
        if not delivery.readable:
            return
        self._bytes += delivery.pending
        self._reader.link.recv(delivery.pending)
        if not delivery.partial:
            self._seen += 1
            self._reader.link.advance()
            delivery.settle()
        if self._bytes > MOST_BYTES or self._reader.link.credit == 0:
            self._finish()

    def on_closed(self, error: BrokerError) -> None:
        if not self.count.done():
            self.count.set_exception(error)
            self.count.exception()

    def _finish(self) -> None:
        if not self.count.done():
            self.count.set_result(self._seen)
