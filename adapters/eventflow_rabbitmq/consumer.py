"""Consuming a queue over one channel, by demand: the broker hands out what somebody waits for, and no more.

A consumer of AMQP has a fixed prefetch, which counts everything that it was handed and has not settled. So a receive
that finds too little credit gets one more subscription, with just the prefetch that is missing; settling frees its
places for the next receive, and in a steady flow nothing has to be asked for. Messages that wait for another try stay
unsettled, so that they come back whatever happens to this process; their subscriptions are given up, so that they take
nobody's place.

The channel's end is the end of everything that was received over it.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.errors import AdapterError, UnavailableError
from eventflow_rabbitmq.connections import RPC_SECONDS, close
from eventflow_rabbitmq.faults import fault, translated
from eventflow_rabbitmq.holdings import Holding, Holdings, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from aiormq.abc import AbstractChannel, DeliveredMessage
    from pamqp.commands import Basic

    from eventflow.model.records import QueueRecord
    from eventflow_rabbitmq.attempts import Attempts
    from eventflow_rabbitmq.records import RecordFactory

_log = logging.getLogger(__name__)
_numbers = count(1)

CONSUMING: Final = "consuming"
SETTLING: Final = "settling"
LINGER_SECONDS: Final = 0.1
"""How long credit that nobody waits for is left with the broker."""
HELD_SECONDS: Final = 30.0
"""How long messages that came all the same are kept for the next receive, before they are given back."""
MAXIMUM_SUBSCRIPTIONS: Final = 8
MAXIMUM_WAITING: Final = 10_000
"""Messages that are to come back later: beyond that nothing more is received until some have."""
BUFFER_BYTES: Final = 64 * 1024 * 1024
"""About as much is asked for at a time, judging by the messages before."""
SHORTEST_WAIT_SECONDS: Final = 0.05
"""A broker that has messages brings them within this time once it is asked."""
TOLERANCE: Final = 4
"""A receive makes do with three quarters of what it wants."""


class _Return(NamedTuple):
    """A message that is to come back."""

    due_at: float
    receipt: str
    failed: bool


class Consumer:
    """Receives from one queue and settles what it received, until its channel ends."""

    def __init__(
        self, channel: AbstractChannel, queue: str, *, resource: str, records: RecordFactory, attempts: Attempts
    ) -> None:
        self._channel = channel
        self._queue = queue
        self._resource = resource
        self._records = records
        self._attempts = attempts
        self._name = f"{next(_numbers)}"
        self._loop = asyncio.get_running_loop()
        self._held = Holdings()
        self._buffer: deque[str] = deque()
        self._subscriptions: dict[str, Subscription] = {}
        self._tags = count(1)
        self._prefetch = 0
        self._average_bytes = 0.0
        self._wanted = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._returns: list[_Return] = []
        self._givers: list[asyncio.Future[None]] = []
        self._idle_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lost: BaseException | None = None
        self._closing = False
        self._work = asyncio.Event()
        channel.closing.add_done_callback(self._channel_ended)
        channel.on_consumer_cancel_callbacks.add(self._cancelled)
        self._worker = self._loop.create_task(self._run())

    @property
    def is_lost(self) -> bool:
        """Whether the channel has ended, and all receipts with it."""
        return self._lost is not None

    @property
    def unsettled(self) -> int:
        """How many messages are held, for whatever reason."""
        return len(self._held)

    async def receive(self, most: int, wait_seconds: float) -> list[QueueRecord]:
        """Up to ``most`` records, once there is one. Raises UnavailableError, ResourceNotFoundError,
        AccessDeniedError."""
        self._wanted += most
        try:
            self._check()
            if self._missing() > 0:
                self._work.set()
            if not self._buffer:
                await self._wait(max(wait_seconds, SHORTEST_WAIT_SECONDS))
            return self._take(most)
        finally:
            self._wanted -= most
            self._look_later()

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """Remove messages from the queue. Raises UnavailableError; they come back then."""
        ours = self._held.ours(receipts)
        for acknowledgement in self._held.acknowledgements(ours):
            multiple, tag = acknowledgement.multiple, acknowledgement.delivery_tag
            for _, holding in acknowledgement.holdings:
                holding.busy = True
            try:
                with translated(self._resource, SETTLING):
                    await self._channel.basic_ack(tag, multiple=multiple, wait=False)
            except BaseException:
                for _, holding in acknowledgement.holdings:
                    holding.busy = False
                raise
            for receipt, holding in acknowledgement.holdings:
                self._held.remove(receipt)
                if holding.message is not None:
                    self._attempts.done(holding.message)
        self._look_later()  # places became free, and perhaps nobody asks for the next message

    async def give_back(self, receipts: Sequence[str]) -> None:
        """Let others have messages that nobody has tried. If the channel ends meanwhile, they have them anyway."""
        ours = self._held.ours(receipts)
        if not ours:
            return
        for receipt, holding in ours.items():
            self._held.wait(holding)
            heapq.heappush(self._returns, _Return(0.0, receipt, failed=False))
        given_back = self._loop.create_future()
        self._givers.append(given_back)
        self._work.set()
        await given_back

    def fail(self, receipts: Sequence[str], *, after_seconds: float) -> None:
        """Let messages that failed come back after some time."""
        due_at = self._loop.time() + after_seconds
        for receipt, holding in self._held.ours(receipts).items():
            self._held.wait(holding)
            if holding.message is not None:
                self._attempts.failed(holding.message)
                holding.message = None  # it may wait for a minute: its tag is enough
            heapq.heappush(self._returns, _Return(due_at, receipt, failed=True))
        self._work.set()

    def lost(self, receipts: Sequence[str]) -> Collection[str]:
        """Which of the receipts are not ours any more."""
        ours = self._held.ours(receipts)
        return [receipt for receipt in receipts if receipt not in ours]

    async def aclose(self) -> None:
        """Give up everything that is held. Idempotent."""
        self._closing = True
        self._lose(UnavailableError(self._resource, "is closed"))
        self._worker.cancel()
        await asyncio.wait([self._worker])
        await close(self._channel)

    # Messages that come

    async def _on_message(self, message: DeliveredMessage) -> None:
        tag, delivery_tag = message.consumer_tag, message.delivery_tag
        if self._lost is not None or delivery_tag is None:
            return
        receipt = f"{self._name}-{delivery_tag}"
        self._held.add(receipt, Holding(delivery_tag, message, self._subscriptions.get(tag or "")))
        self._buffer.append(receipt)
        self._average_bytes += (len(message.body) - self._average_bytes) / 16
        if len(self._buffer) == 1:
            # What came in the same packet is dealt with first, so that a receive gets all of it.
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        """Let the first receive that waits go on."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self._buffer:
                    waiter = self._loop.create_future()
                    self._waiters.append(waiter)
                    try:
                        await waiter
                    except asyncio.CancelledError:
                        if waiter.done():  # it was this one's turn
                            self._loop.call_soon(self._wake)
                        raise
                    self._check()
        except TimeoutError:
            self._check()

    def _take(self, most: int) -> list[QueueRecord]:
        records: list[QueueRecord] = []
        while self._buffer and len(records) < most:
            receipt = self._buffer.popleft()
            holding = self._held.get(receipt)
            if holding is not None and holding.message is not None:
                records.append(self._records.make(receipt, holding.message))
        if self._buffer:
            self._wake()
        return records

    # What the broker is asked for

    async def _run(self) -> None:
        """Everything that the broker answers is asked for here, one after the other: a request that is cut off would
        end the channel."""
        try:
            with translated(self._resource, CONSUMING):
                while True:
                    self._work.clear()
                    await self._return_due()
                    await self._adjust()
                    await self._rest()
        except AdapterError as exc:
            self._lose(exc)
            await close(self._channel)

    async def _rest(self) -> None:
        """Until there is something to do."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._next_work_at()):
                await self._work.wait()

    def _next_work_at(self) -> float | None:
        times = [self._returns[0].due_at] if self._returns else []
        if self._idle_at is not None and not self._wanted:
            if self._has_credit():
                times.append(self._idle_at + LINGER_SECONDS)
            elif self._buffer:
                times.append(self._idle_at + HELD_SECONDS)
        return min(times, default=None)

    def _look_later(self) -> None:
        """Have the worker look after what nobody waits for, if there is any then."""
        if self._wanted or self._lost is not None:
            return
        self._idle_at = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(LINGER_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._wanted and (self._buffer or self._has_credit()):
            self._work.set()

    def _has_credit(self) -> bool:
        return any(subscription.credit > 0 for subscription in self._subscriptions.values())

    async def _adjust(self) -> None:
        if self._wanted:
            self._idle_at = None
            if self._missing() > 0:
                await self._ask_for_more()
            return
        idle_seconds = 0.0 if self._idle_at is None else self._loop.time() - self._idle_at
        if idle_seconds >= LINGER_SECONDS - 0.001:
            await self._unsubscribe(lambda subscription: subscription.credit > 0)
        if idle_seconds >= HELD_SECONDS and self._buffer and not self._wanted:
            await self._unsubscribe(lambda _: True)
            while self._buffer:
                await self._return(self._buffer.popleft(), failed=False)

    def _credit(self) -> int:
        return sum(subscription.credit for subscription in self._subscriptions.values())

    def _missing(self) -> int:
        """How many more messages somebody waits for than may come; 0 if what may come will do."""
        coming = len(self._buffer) + self._credit()
        missing = self._wanted - coming
        if missing <= 0 or (coming and missing * TOLERANCE < self._wanted):
            return 0
        if len(self._returns) >= MAXIMUM_WAITING:
            return 0
        room = max(1, int(BUFFER_BYTES / max(self._average_bytes, 1.0)))
        return min(missing, max(0, room - coming))

    async def _ask_for_more(self) -> None:
        """One more subscription, in place of those whose messages wait; of many, one is made."""
        many = len(self._subscriptions) >= MAXIMUM_SUBSCRIPTIONS
        await self._unsubscribe(lambda subscription: many or subscription.waiting > 0)
        prefetch = self._missing()
        if prefetch <= 0:
            return
        if prefetch != self._prefetch:
            await self._channel.basic_qos(prefetch_count=prefetch, timeout=RPC_SECONDS)
            self._prefetch = prefetch
        tag = f"{self._name}-{next(self._tags)}"
        self._subscriptions[tag] = Subscription(tag, prefetch)
        await self._channel.basic_consume(self._queue, self._on_message, consumer_tag=tag, timeout=RPC_SECONDS)

    async def _unsubscribe(self, chosen: Callable[[Subscription], bool]) -> None:
        """What they were handed stays ours; what is settled of it frees no place any more."""
        for subscription in list(self._subscriptions.values()):
            if chosen(subscription):
                await self._channel.basic_cancel(subscription.tag, timeout=RPC_SECONDS)
                self._subscriptions.pop(subscription.tag, None)

    # Messages that go

    async def _return_due(self) -> None:
        now = self._loop.time()
        while self._returns and self._returns[0].due_at <= now:
            # The place that becomes free must not be filled, least of all with what we give back.
            await self._unsubscribe(lambda subscription: subscription.waiting > 0)
            due = heapq.heappop(self._returns)
            await self._return(due.receipt, failed=due.failed)
        self._tell(self._givers)

    async def _return(self, receipt: str, *, failed: bool) -> None:
        """Source: RabbitMQ documentation: nack: since 4.3 ``basic.reject`` counts as a failure and ``basic.nack`` does
        not."""
        holding = self._held.get(receipt)
        if holding is None:
            return
        holding.busy = True
        if failed:
            await self._channel.basic_reject(holding.delivery_tag, requeue=True, wait=False)
        else:
            await self._channel.basic_nack(holding.delivery_tag, requeue=True, wait=False)
        self._held.remove(receipt)

    # The end

    def _channel_ended(self, closing: asyncio.Future[object]) -> None:
        error = None if closing.cancelled() else closing.exception()
        if error is None or isinstance(error, asyncio.CancelledError):
            error = UnavailableError(self._resource, "the connection was closed")
        self._lose(error)

    def _cancelled(self, _: Basic.Cancel) -> None:
        """The broker has ended a subscription: the queue was deleted, or moved to another node."""
        self._lose(UnavailableError(self._resource, "the broker has ended the consumption; was the queue deleted?"))

    def _lose(self, error: BaseException) -> None:
        if self._lost is not None:
            return
        self._lost = error
        if len(self._held) and not self._closing:
            text = "%s: %d messages that were received are somebody else's by now: %s"
            _log.warning(text, self._resource, len(self._held), self._reason().message)
        self._held.clear()
        self._buffer.clear()
        self._returns.clear()
        self._subscriptions.clear()
        self._tell(self._waiters)
        self._tell(self._givers)

    @staticmethod
    def _tell(futures: deque[asyncio.Future[None]] | list[asyncio.Future[None]]) -> None:
        for future in futures:
            if not future.done():
                future.set_result(None)
        futures.clear()

    def _check(self) -> None:
        """Raises what the channel ended with."""
        if self._lost is None:
            return
        reason = self._reason()
        if reason is self._lost:
            raise reason
        raise reason from self._lost

    def _reason(self) -> AdapterError:
        return self._lost if isinstance(self._lost, AdapterError) else fault(self._resource, CONSUMING, self._lost)
