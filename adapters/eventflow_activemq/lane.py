"""What one receive at a time reads from: a session with one link.

The broker counts a message as delivered once more when the session ends that holds it, and gives it to whoever comes
first: that is how a message is released. A message that is returned on its link alone (AMQP's ``modified``) is counted
too, but comes to the same link again, when that is given credit. Source: ActiveMQ: AmqpSender, Queue.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from proton import Delivery, Message, MessageException

from eventflow_activemq.faults import BrokerError
from eventflow_activemq.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventflow_activemq.connection import Connection

ANSWER_SECONDS: Final = 15.0
"""How long the broker may take to open a link, to say that there is no more, and to confirm an acknowledgement."""


class Arrival(NamedTuple):
    """A message, and the number of its delivery on the lane. ``None`` is a message that cannot be decoded."""

    message: Message | None
    number: int


class Lane:
    """One session and its link. ``receiving`` says that somebody has taken it for a receive; ``held`` counts the
    messages that were received and are not settled, ``parked`` those that were returned on the link and did not come
    again, ``uses`` the receives. ``drained_at`` is when credit was last taken back, in the loop's time; ``None`` if the
    last receive used all of it.

    A broker whose credit is taken back may have chosen a message for the link in that very moment. It does not send it
    then, and gives it to nobody else: it comes with the next credit, or goes back when the session ends.

    ``on_closed`` is called if the broker closes it, ``on_rest`` when messages that came too late were returned.
    """

    def __init__(
        self,
        connection: Connection,
        queue: str,
        selector: str | None,
        *,
        on_closed: Callable[[Lane], None],
        on_rest: Callable[[Lane], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.receiving = True
        self.held = 0
        self.parked = 0
        self.uses = 0
        self.drained_at: float | None = None
        self.closed = False
        self._error = BrokerError("", "")
        self._connection = connection
        self._on_closed = on_closed
        self._on_rest = on_rest
        self._opened: asyncio.Future[None] = loop.create_future()
        self._arrivals: list[Arrival] = []
        self._wakening: asyncio.Future[None] | None = None
        self._number = 0
        self._deliveries: dict[int, Delivery] = {}
        self._unconfirmed: dict[Delivery, asyncio.Future[None]] = {}
        self._leaving: asyncio.Task[None] | None = None
        self._reader = Reader(connection, self, queue, selector)
        connection.flush()

    async def opened(self) -> None:
        """Raises BrokerError, TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await asyncio.shield(self._opened)

    async def receive(self, most: int, wait_seconds: float) -> list[Arrival]:
        """Up to ``most`` messages; waits for the first. The broker sends no more than was asked for, and nothing any
        more when this returns. Cancelled, it gives back what came meanwhile.

        Raises BrokerError, TimeoutError.
        """
        self._check_open()
        self.uses += 1
        try:
            self._reader.link.flow(most)
            self._connection.flush()
            if wait_seconds > 0:
                await self._first(wait_seconds)
            await self._drained()
        except asyncio.CancelledError:
            self._leaving = asyncio.ensure_future(self._give_back())
            raise
        self.receiving = False
        arrivals, self._arrivals = self._arrivals, []
        self.parked = max(0, self.parked - len(arrivals))
        self.held += len(arrivals)
        return arrivals

    async def accept(self, numbers: list[int]) -> None:
        """Acknowledge messages; returns when the broker has forgotten them. Raises BrokerError, TimeoutError."""
        self._check_open()
        confirmations = [self._accepted(number) for number in numbers]
        self._connection.flush()
        left: set[asyncio.Future[None]] = set(confirmations)
        try:
            while left:  # a broker writes every acknowledgement to its disk: many take their time
                done, left = await asyncio.wait(left, timeout=ANSWER_SECONDS)
                if not done:
                    raise TimeoutError
        finally:
            self.held = max(0, self.held - len(numbers))
        for confirmed in confirmations:
            confirmed.result()

    def reject(self, numbers: list[int]) -> None:
        """Have the broker put messages into its dead-letter queue. It does not confirm that: if the connection is lost
        before it was told, they come back."""
        self._settle(numbers, Delivery.REJECTED)
        self.held -= len(numbers)

    def park(self, numbers: list[int]) -> None:
        """Return messages on this link, as having failed."""
        self._settle(numbers, Delivery.MODIFIED, failed=True)
        self.held -= len(numbers)
        self.parked += len(numbers)

    def end(self) -> None:
        """Return everything that is held or parked, to whoever reads the queue. Idempotent."""
        if not self.closed:
            self._close(BrokerError("", "the reader is closed"))

    # What happens to the link.

    def on_opened(self) -> None:
        # A link that is refused opens without a source, and is closed right after.
        if not self._opened.done() and self._reader.link.remote_source.address is not None:
            self._opened.set_result(None)

    def on_credit(self) -> None:
        self._wake()

    def on_delivery(self, delivery: Delivery) -> None:
        if delivery.readable and not delivery.partial:
            data = self._reader.link.recv(delivery.pending)
            self._reader.link.advance()
            self._number += 1
            self._deliveries[self._number] = delivery
            self._arrivals.append(Arrival(_decoded(data), self._number))
            self._wake()
        elif delivery.settled and (confirmed := self._unconfirmed.pop(delivery, None)) is not None:
            delivery.settle()
            if not confirmed.done():
                confirmed.set_result(None)

    def on_closed(self, error: BrokerError) -> None:
        if not self.closed:
            self._close(error)
            self._on_closed(self)

    def _close(self, error: BrokerError) -> None:
        self.closed = True
        self._error = error
        self._arrivals = []
        self._deliveries.clear()
        self.held = self.parked = 0
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for waiting in (self._opened, self._wakening, *unconfirmed.values()):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # whoever waits for it gets it; nobody has to
        unconfirmed.clear()
        self._reader.close()

    # Settling.

    def _accepted(self, number: int) -> asyncio.Future[None]:
        """Acknowledge a message; done when the broker has forgotten it."""
        delivery = self._deliveries.pop(number)
        confirmed = self._unconfirmed[delivery] = asyncio.get_running_loop().create_future()
        delivery.update(Delivery.ACCEPTED)
        return confirmed

    def _settle(self, numbers: Iterable[int], outcome: int, *, failed: bool = False) -> None:
        for number in numbers:
            delivery = self._deliveries.pop(number)
            delivery.local.failed = failed
            delivery.update(outcome)
            delivery.settle()
        self._connection.flush()

    # Receiving.

    async def _first(self, wait_seconds: float) -> None:
        try:
            async with asyncio.timeout(wait_seconds):
                while not self._arrivals:
                    await self._changed()
        except TimeoutError:
            return

    async def _drained(self) -> None:
        """Take back what credit is left; what is on its way comes first."""
        self.drained_at = None
        if self._credit() > 0:
            self._reader.link.drain(0)
            self._connection.flush()
            async with asyncio.timeout(ANSWER_SECONDS):
                while self._credit() > 0:
                    await self._changed()
            self.drained_at = asyncio.get_running_loop().time()

    def _credit(self) -> int:
        self._check_open()
        return self._reader.link.credit

    async def _changed(self) -> None:
        self._check_open()
        self._wakening = asyncio.get_running_loop().create_future()
        try:
            await self._wakening
        finally:
            self._wakening = None

    def _wake(self) -> None:
        if self._wakening is not None and not self._wakening.done():
            self._wakening.set_result(None)

    def _check_open(self) -> None:
        if self.closed:
            raise self._error

    async def _give_back(self) -> None:
        """Nobody waits any more: return what came too late."""
        try:
            await self._drained()
        except (BrokerError, TimeoutError):
            self.end()
            return
        arrivals, self._arrivals = self._arrivals, []
        self._settle([number for _, number in arrivals], Delivery.RELEASED)
        self.parked += len(arrivals)
        self.receiving = False
        self._on_rest(self)


def _decoded(data: bytes | None) -> Message | None:
    message = Message()
    try:
        message.decode(data or b"")
    except (MessageException, UnicodeDecodeError):
        return None
    return message
