"""One reader for everybody whose events come through the same queue."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio import lowlevel

from eventflow.errors import AdapterError, UnavailableError
from eventflow_aws.notifications.batches import Batch
from eventflow_aws.notifications.eventbridge_events import BusInterest
from eventflow_aws.notifications.routes import Router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.records import QueueRecord
    from eventflow.model.subscriptions import NotificationSubscription
    from eventflow.ports import Deliver, QueueSource
    from eventflow_aws.notifications.routes import Interest

MAXIMUM_POLLERS: Final = 8
"""Each holds one batch of the queue at most."""
FURTHER_WAIT_SECONDS: Final = 1.0
"""How long a poller beside the first waits for messages before it ends."""
DELIVERY_SHARE: Final = 0.8
"""Of the visibility timeout: what is not stored by then is given up, while the message is surely still ours."""
SETTLE_SECONDS: Final = 10.0
LONGEST_PAUSE_SECONDS: Final = 5.0
MAXIMUM_WARNINGS: Final = 1_000

_log = logging.getLogger(__name__)


class Turn:
    """What sources of a hub wait for: a change of who runs, or the error that ended reading for all of them."""

    def __init__(self) -> None:
        self._ended = anyio.Event()
        self._error: Exception | None = None

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self._ended.set()

    async def wait(self) -> None:
        await self._ended.wait()
        if self._error is not None:
            raise self._error


class NotificationHub:
    """Reads one queue while the sources of all its subscriptions run, in the task of one of them.

    A message is deleted when every ``deliver`` that was to have it returned; if one raises, the message is released
    and comes again. Errors of the queue end the run of every source.
    """

    def __init__(self, queue: QueueSource) -> None:
        self.queue = queue
        self._interests: dict[Interest, None] = {}
        self._running: dict[Interest, Deliver] = {}
        self._router = Router(())
        self._takers: dict[NotificationSubscription, Deliver] = {}
        self._turn = Turn()
        self._reading: anyio.CancelScope | None = None
        self._pollers = 0
        self._failed_batches = 0
        self._warned: set[str] = set()
        self._deliver_seconds = max(1.0, DELIVERY_SHARE * queue.properties.visibility_timeout_seconds)

    @property
    def is_empty(self) -> bool:
        """Whether nobody subscribes through this queue."""
        return not self._interests

    def add(self, interest: Interest) -> None:
        """Nothing is read from now on until this subscription's source runs too.

        Raises AdapterError if the queue serves another bus: events do not say which bus they are of.
        """
        if isinstance(interest, BusInterest):
            self._check_bus(interest)
        self._interests[interest] = None
        self._change()

    def remove(self, interest: Interest) -> None:
        """The others do not wait for this subscription any more. Idempotent."""
        if interest in self._interests:
            del self._interests[interest]
            self._change()

    async def run(self, interest: Interest, deliver: Deliver) -> None:
        """Deliver the events of one subscription until cancelled. Raises AdapterError when the queue does."""
        self._running[interest] = deliver
        self._change()
        try:
            while True:
                if self._reading is None and self._is_complete:
                    await self._lead()
                else:
                    await self._turn.wait()
        finally:
            del self._running[interest]
            self._change()

    @property
    def _is_complete(self) -> bool:
        """Whether every subscription has somebody who takes its events. Sources of the same one share them."""
        return all(interest.subscription in self._takers for interest in self._interests)

    def _check_bus(self, interest: BusInterest) -> None:
        for other in self._interests:
            if isinstance(other, BusInterest) and other.identity.arn != interest.identity.arn:
                message = (
                    f"shares the queue {self.queue.identity.arn} with {other.resource}, and an event does not say "
                    "which bus it is of; write {name} into notification_queue, or use notification_queues"
                )
                raise AdapterError(interest.resource, message)

    def _change(self) -> None:
        """Somebody came or went: whoever reads stops, and all look again."""
        self._router = Router(tuple({each.subscription: each for each in self._interests}.values()))
        self._takers = {interest.subscription: deliver for interest, deliver in self._running.items()}
        if self._reading is not None:
            self._reading.cancel()
        self._next_turn()

    def _next_turn(self, error: Exception | None = None) -> None:
        turn, self._turn = self._turn, Turn()
        turn.end(error)

    # Reading

    async def _lead(self) -> None:
        """Read for everybody, until somebody goes or the queue fails."""
        try:
            with anyio.CancelScope() as self._reading:
                await self._read()
        except Exception as error:
            self._next_turn(error)
            raise
        finally:
            self._reading = None
            self._next_turn()

    async def _read(self) -> None:
        self._pollers = 0
        try:
            async with anyio.create_task_group() as tasks:
                self._pollers = 1
                tasks.start_soon(partial(self._poll, tasks, first=True))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _poll(self, tasks: TaskGroup, *, first: bool) -> None:
        """Receive and deliver. The first poller stays; a full batch calls another one, which ends when a batch is
        not full, so their number follows the backlog up and down."""
        properties = self.queue.properties
        wait_seconds = properties.maximum_wait_seconds if first else FURTHER_WAIT_SECONDS
        while True:
            records = await self.queue.receive(max_records=properties.maximum_receive, wait_seconds=wait_seconds)
            full = len(records) >= properties.maximum_receive
            if full and self._pollers < MAXIMUM_POLLERS:
                self._pollers += 1
                tasks.start_soon(partial(self._poll, tasks, first=False))
            if records:
                await self._handle(records)
            if not full and not first:
                self._pollers -= 1
                return

    async def _handle(self, records: Sequence[QueueRecord]) -> None:
        """Deliver a batch and settle it. What is not judged when this is cancelled is released at once."""
        batch = Batch(records)
        try:
            with anyio.move_on_after(self._deliver_seconds) as limit:
                async with anyio.create_task_group() as tasks:
                    for record in records:
                        tasks.start_soon(self._deliver, record, batch)
            if limit.cancelled_caught:
                _log.warning("events could not be handed over within %g s and are tried again", self._deliver_seconds)
                batch.fail_the_rest()
        finally:
            await self._settle(batch)
        await self._pause(batch)

    async def _deliver(self, record: QueueRecord, batch: Batch) -> None:
        route = self._router.route(record)
        if route.warning is not None:
            self._warn(route.warning)
        if route.stays:
            batch.leave(record)
            return
        failed = False
        for delivery in route.deliveries:
            deliver = self._takers.get(delivery.interest.subscription)
            if deliver is None:  # its source stopped this very moment
                return
            try:
                await deliver(delivery.payload)
            except Exception as error:  # noqa: BLE001 - whatever it is, the event is delivered again later
                _log.warning("an event of %s could not be handed over: %s", delivery.interest.resource, error)
                failed = True
        if failed:
            batch.fail(record)
        else:
            batch.finish(record)

    async def _settle(self, batch: Batch) -> None:
        """Delete what is delivered and release the rest, even if the reader is cancelled meanwhile: then whatever
        goes wrong here is nobody's any more, and the messages come again by themselves."""
        try:
            with anyio.fail_after(SETTLE_SECONDS, shield=True):
                await batch.settle(self.queue)
        except AdapterError as error:
            _log.warning("delivered events may come again: %s", error)
            await lowlevel.checkpoint_if_cancelled()
            raise
        except TimeoutError as error:
            await lowlevel.checkpoint_if_cancelled()
            message = f"did not confirm within {SETTLE_SECONDS:g} s what is to be deleted"
            raise UnavailableError(self.queue.identity.arn, message) from error

    async def _pause(self, batch: Batch) -> None:
        """When nothing of a batch could be stored, the next ones would only use up their receive counts."""
        if batch.stored_some or not batch.failed_some:
            self._failed_batches = 0
            return
        self._failed_batches += 1
        await anyio.sleep(min(2.0 ** (self._failed_batches - 1), LONGEST_PAUSE_SECONDS))

    def _warn(self, warning: str) -> None:
        """Each warning once, until there are too many to remember."""
        if warning in self._warned:
            return
        if len(self._warned) >= MAXIMUM_WARNINGS:
            self._warned.clear()
        self._warned.add(warning)
        _log.warning("%s: %s", self.queue.identity.arn, warning)
