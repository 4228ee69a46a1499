"""The one connection of all sinks, and a link for each queue.

Sinks have a connection of their own, because a broker that is full stops reading from connections that send to it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from proton import Delivery, Endpoint

from eventflow_activemq.faults import BrokerError
from eventflow_activemq.messages import QUEUE_PREFIX

if TYPE_CHECKING:
    from proton import Session

    from eventflow_activemq.brokers import Brokers
    from eventflow_activemq.connection import Connection

OPEN_SECONDS: Final = 15.0


class Producer:
    """Connects when the first link is asked for, and again after the connection was lost."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._connecting = asyncio.Lock()
        self._links: dict[str, SendingLink] = {}

    async def link(self, queue: str) -> SendingLink:
        """The link to a queue. Raises BrokerError, OSError, TimeoutError."""
        async with self._connecting:
            if self._connection is None:
                self._connection = await self._brokers.connect(self._lost)
            if self._session is None or self._session.state & Endpoint.LOCAL_CLOSED:
                self._session = self._connection.session()
            link = self._links.get(queue)
            if link is None or link.closed:
                link = self._links[queue] = SendingLink(self._connection, self._session, queue)
        async with asyncio.timeout(OPEN_SECONDS):
            await asyncio.shield(link.opened)
        return link

    def hang_up(self) -> None:
        """The broker does not answer any more; a new connection may find one that does."""
        if self._connection is not None:
            self._connection.abort(BrokerError("", "the broker did not answer"))

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.aclose()

    def _lost(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = self._session = None
            self._links.clear()


class Unconfirmed(NamedTuple):
    """A message that was sent, and the future that is done when the broker has stored it."""

    delivery: Delivery
    confirmed: asyncio.Future[None]


class SendingLink:
    """Sends to one queue, and hears what became of each message."""

    def __init__(self, connection: Connection, session: Session, queue: str) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed = False
        self._connection = connection
        self._number = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._unconfirmed: dict[str, Unconfirmed] = {}
        self._link = connection.sender(session, self)
        self._link.target.address = f"{QUEUE_PREFIX}{queue}"
        self._link.open()
        connection.flush()

    async def send(self, data: bytes) -> None:
        """Returns when the broker has stored the message. Raises BrokerError."""
        self._check_open()
        while self._link.credit <= 0:
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(room)
            await room
            self._check_open()
        self._number += 1
        tag, confirmed = str(self._number), asyncio.get_running_loop().create_future()
        self._unconfirmed[tag] = Unconfirmed(self._link.delivery(tag), confirmed)
        self._link.stream(data)
        self._link.advance()
        self._connection.flush()
        try:
            await confirmed
        finally:
            if (given_up := self._unconfirmed.pop(tag, None)) is not None:
                given_up.delivery.settle()  # nobody hears what became of it

    def on_opened(self) -> None:
        # A link that is refused opens without a target, and is closed right after.
        if not self.opened.done() and self._link.remote_target.address is not None:
            self.opened.set_result(None)

    def on_credit(self) -> None:
        room = self._link.credit
        while self._waiting and room > 0:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                room -= 1

    def on_delivery(self, delivery: Delivery) -> None:
        state = delivery.remote_state
        if not delivery.updated or not state:
            return
        error = None if state == Delivery.ACCEPTED else BrokerError.of(delivery.remote.condition, "it was not taken")
        delivery.settle()
        unconfirmed = self._unconfirmed.pop(delivery.tag, None)
        if unconfirmed is None or unconfirmed.confirmed.done():
            return
        if error is None:
            unconfirmed.confirmed.set_result(None)
        else:
            unconfirmed.confirmed.set_exception(error)

    def on_closed(self, error: BrokerError) -> None:
        self.closed = True
        self._error = error
        futures = [one.confirmed for one in self._unconfirmed.values()]
        self._unconfirmed.clear()
        del self._link
        for waiting in (self.opened, *self._waiting, *futures):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # whoever waits for it gets it; nobody has to

    def _check_open(self) -> None:
        if self.closed:
            raise self._error
