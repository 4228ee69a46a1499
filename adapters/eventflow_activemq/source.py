"""The queue source of one ActiveMQ queue."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.errors import UnavailableError
from eventflow.model.records import SourceIdentity
from eventflow.policy.batches import NO_LIMIT
from eventflow.ports import QueueProperties
from eventflow_activemq.browser import count_messages
from eventflow_activemq.faults import BrokerError, translated
from eventflow_activemq.lane import Lane
from eventflow_activemq.messages import UnsupportedMessageError, message_id, read

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.model.subscriptions import QueueSubscription
    from eventflow_activemq.connection import Connection
    from eventflow_activemq.environment import Environment
    from eventflow_activemq.lane import Arrival

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0
"""The broker waits as long as its consumer lives. So often the runtime asks which messages a lost connection took."""
MAXIMUM_RECEIVE: Final = 1_000
MAXIMUM_WAIT_SECONDS: Final = 20.0
LANES: Final = 16
"""Lanes beyond those that receives need, so that a message which comes back has one to itself."""
IDLE_SECONDS: Final = 1.0
"""How long a lane is left alone on which a message may have stayed behind: see Lane."""
MAXIMUM_DELAYED: Final = 1_000
"""Released messages that wait for their time. The broker holds them in memory: with more, nothing is received."""
REMEMBERED: Final = 10_000
"""Messages of which it is known how often they were delivered: the broker forgets it when it is restarted."""
BACKLOG_SECONDS: Final = 5.0
"""How old a figure of the backlog may be: it costs messages to be sent."""


async def open_queue_source(env: Environment, subscription: QueueSubscription) -> ActiveMQSource:
    """Raises UnavailableError, AccessDeniedError; AdapterError if the queue's selector is none."""
    source = ActiveMQSource(env, subscription)
    try:
        await source.open()
    except BaseException:
        await source.aclose()
        raise
    return source


class _Held(NamedTuple):
    """A message in somebody's hands, and how often it was delivered."""

    lane: Lane
    number: int
    message_id: str
    deliveries: int


class ActiveMQSource:
    """A QueueSource over one queue and one connection. Its receipts are worth nothing once the connection is lost."""

    def __init__(self, env: Environment, subscription: QueueSubscription) -> None:
        name = subscription.name
        self.identity = SourceIdentity(arn=env.broker_arn, region=env.region, extras={})
        self.properties = QueueProperties(
            visibility_timeout_seconds=LOOK_SECONDS,
            maximum_receive=MAXIMUM_RECEIVE,
            maximum_wait_seconds=MAXIMUM_WAIT_SECONDS,
            maximum_receive_count=_most_deliveries(env.options.maximum_redeliveries, subscription),
            redelivers=False,
        )
        self._env = env
        self._resource = f"activemq:{name}"
        self._queue = env.queue(name)
        self._selector = env.options.selectors.get(name)
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._lanes: list[Lane] = []
        self._held: dict[str, _Held] = {}
        self._delayed = 0
        self._deliveries: dict[str, int] = {}
        self._number = 0
        self._backlog = 0
        self._backlog_until = -1.0
        self._closed = False

    async def open(self) -> None:
        """Connect, and see that the queue lets us read."""
        with translated(self._resource, "subscribing"):
            lane = await self._lane()
        lane.receiving = False
        self._rest(lane)

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        if self._delayed >= MAXIMUM_DELAYED:
            await asyncio.sleep(min(wait_seconds, 1.0))
            return ()
        with translated(self._resource, "receiving"):
            try:
                lane, arrivals = await self._receive(
                    min(max_records, MAXIMUM_RECEIVE), min(wait_seconds, MAXIMUM_WAIT_SECONDS)
                )
            except TimeoutError:
                self._hang_up()
                raise
        records = self._records(lane, arrivals)
        self._rest(lane)
        return records

    async def delete(self, receipts: Sequence[str]) -> None:
        held = self._taken(receipts)
        for one in held:
            self._deliveries.pop(one.message_id, None)
        accepting = _by_lane(held)
        results = await asyncio.gather(*(lane.accept(numbers) for lane, numbers in accepting), return_exceptions=True)
        for lane, _ in accepting:
            self._rest(lane)
        with translated(self._resource, "acknowledging"):
            for result in results:
                if isinstance(result, TimeoutError):
                    self._hang_up()
                if isinstance(result, BaseException):
                    raise result

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        """After a delay, and so after a failure, messages that were delivered too often go to the dead-letter queue."""
        held = self._taken(receipts)
        most = self.properties.maximum_receive_count
        limit = math.inf if most is None or after_seconds <= 0 else most
        spent = [one for one in held if one.deliveries >= limit]
        back = [one for one in held if one.deliveries < limit]
        for one in back:
            self._remember(one.message_id, one.deliveries)
        for lane, numbers in _by_lane(back):
            self._release(lane, numbers, after_seconds)
        if spent:
            _log.warning(
                "%s: %d messages failed too often, and go to the dead-letter queue", self._resource, len(spent)
            )
        for lane, numbers in _by_lane(spent):
            self._reject(lane, numbers)

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        return [receipt for receipt in receipts if receipt not in self._held]

    async def backlog(self) -> int:
        """At most what a browser of the queue looks at; messages sent with a delay are in no queue yet."""
        now = asyncio.get_running_loop().time()
        if now >= self._backlog_until:
            with translated(self._resource, "browsing"):
                self._backlog = await count_messages(await self._connected(), self._queue, self._selector)
            self._backlog_until = now + BACKLOG_SECONDS
        return self._backlog

    async def aclose(self) -> None:
        """What is still held goes back to the queue."""
        self._closed = True
        for lane in list(self._lanes):
            self._end(lane)
        if self._connection is not None:
            await self._connection.aclose()

    # Lanes.

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._closed:
                raise UnavailableError(self._resource, "is closed")
            if self._connection is None:
                self._connection = await self._env.brokers.connect(self._lost)
            return self._connection

    async def _receive(self, most: int, wait_seconds: float) -> tuple[Lane, list[Arrival]]:
        for lane in self._neglected():
            if not lane.receiving and not lane.closed:
                lane.receiving = True
                if arrivals := await lane.receive(most, 0):
                    return lane, arrivals
                self._rest(lane)
        lane = await self._lane()
        return lane, await lane.receive(most, wait_seconds)

    def _neglected(self) -> list[Lane]:
        """Lanes on which a message may have stayed behind, and which cannot be ended yet."""
        before = asyncio.get_running_loop().time() - IDLE_SECONDS
        return [lane for lane in self._lanes if lane.held and lane.drained_at is not None and lane.drained_at < before]

    async def _lane(self) -> Lane:
        """A lane for one receive, marked as receiving."""
        lane = self._idle_lane()
        if lane is not None:
            lane.receiving = True
            return lane
        connection = await self._connected()
        lane = Lane(connection, self._queue, self._selector, on_closed=self._forget, on_rest=self._rest)
        self._lanes.append(lane)
        try:
            await lane.opened()
        except BaseException:
            self._end(lane)
            raise
        return lane

    def _idle_lane(self) -> Lane | None:
        """Rather one to which messages have to come again, then one that holds none, then a new one: ``None``."""
        idle = [lane for lane in self._lanes if not lane.receiving]
        if not idle:
            return None
        best = min(idle, key=lambda lane: (-lane.parked, lane.held))
        may_be_new = len(self._lanes) < LANES
        return None if best.held and not best.parked and may_be_new else best

    def _lost(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None

    def _hang_up(self) -> None:
        """The broker does not answer any more; a new connection may find one that does."""
        if self._connection is not None:
            self._connection.abort(BrokerError("", "the broker did not answer"))

    def _forget(self, lane: Lane) -> None:
        """The lane is gone, and the messages that it held are the broker's again."""
        if lane in self._lanes:
            self._lanes.remove(lane)
        for receipt in [receipt for receipt, held in self._held.items() if held.lane is lane]:
            held = self._held.pop(receipt)
            self._remember(held.message_id, held.deliveries)

    def _end(self, lane: Lane) -> None:
        lane.end()
        self._forget(lane)

    def _rest(self, lane: Lane) -> None:
        """A lane on which nothing happens any more keeps no messages from others."""
        if lane.closed or lane.receiving or lane.held:
            return
        if lane.parked:
            self._end(lane)
        else:
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire, lane, lane.uses)

    def _retire(self, lane: Lane, uses: int) -> None:
        if lane.uses == uses and not lane.receiving and not lane.held:
            self._end(lane)

    # Messages.

    def _records(self, lane: Lane, arrivals: Sequence[Arrival]) -> list[QueueRecord]:
        records: list[QueueRecord] = []
        refused: list[int] = []
        now = self._env.clock.time()
        for message, number in arrivals:
            self._number += 1
            receipt = f"{id(self):x}-{self._number}"
            try:
                if message is None:
                    raise UnsupportedMessageError("a message that cannot be decoded")
                deliveries = max(message.delivery_count, self._deliveries.pop(message_id(message) or "", 0)) + 1
                record = read(message, queue=self._queue, receipt=receipt, deliveries=deliveries, now=now)
            except UnsupportedMessageError as exc:
                _log.error("%s: %s goes to the dead-letter queue: text and bytes are supported", self._resource, exc)
                refused.append(number)
                continue
            self._held[receipt] = _Held(lane, number, record.message_id, deliveries)
            records.append(record)
        if refused:
            self._reject(lane, refused)
        return records

    def _reject(self, lane: Lane, numbers: list[int]) -> None:
        lane.reject(numbers)
        self._rest(lane)

    def _taken(self, receipts: Sequence[str]) -> list[_Held]:
        """What is ours of these, and is so no longer."""
        return [self._held.pop(receipt) for receipt in receipts if receipt in self._held]

    def _release(self, lane: Lane, numbers: list[int], after_seconds: float) -> None:
        if after_seconds <= 0:
            self._return(lane, numbers)
            return
        self._delayed += len(numbers)
        asyncio.get_running_loop().call_later(after_seconds, self._due, lane, numbers)

    def _due(self, lane: Lane, numbers: list[int]) -> None:
        self._delayed -= len(numbers)
        self._return(lane, numbers)

    def _return(self, lane: Lane, numbers: list[int]) -> None:
        """Give messages back: to everybody, unless others of the lane are in somebody's hands."""
        if lane.closed:
            return
        if lane.receiving or lane.held > len(numbers):
            lane.park(numbers)
        else:
            self._end(lane)

    def _remember(self, identifier: str, deliveries: int) -> None:
        self._deliveries[identifier] = deliveries
        if len(self._deliveries) > REMEMBERED:
            del self._deliveries[next(iter(self._deliveries))]


def _most_deliveries(redeliveries: int, subscription: QueueSubscription) -> int | None:
    """The broker leaves this to its clients. A mapping with a limit of its own knows better where to put a message."""
    limited = subscription.maximum_retry_attempts not in (None, NO_LIMIT)
    return None if limited or redeliveries < 0 else redeliveries + 1


def _by_lane(held: Sequence[_Held]) -> list[tuple[Lane, list[int]]]:
    """What is still on a lane."""
    grouped: dict[Lane, list[int]] = {}
    for one in held:
        if not one.lane.closed:
            grouped.setdefault(one.lane, []).append(one.number)
    return list(grouped.items())
