"""Long polls that survive whoever waits for them.

SQS hands a message out when it answers, whether or not anybody still listens: a poll that is cut off takes its
messages out of sight for their visibility timeout. So a poll whose caller is cancelled runs on. The next receive
takes it over; if none does, what it brings is made visible again at once.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Final, TypedDict

from botocore.exceptions import ClientError

from eventflow.errors import AdapterError, UnavailableError
from eventflow_aws.background import end
from eventflow_aws.faults import error_code, translated
from eventflow_aws.sqs.records import queue_record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from eventflow.model.records import QueueRecord
    from eventflow_aws.background import Background
    from eventflow_aws.sqs.queues import Queue

    GiveBack = Callable[[Sequence[str]], Awaitable[None]]

_log = logging.getLogger(__name__)

RECEIVE: Final = "sqs:ReceiveMessage"
MAXIMUM_WAIT_SECONDS: Final = 20
MAXIMUM_RECORDS: Final = 10
LATE_SECONDS: Final = 15.0
"""How long an answer may take beyond the wait that it was asked for."""
LAST_SECONDS: Final = 2.0
"""How long messages that nobody waits for may take to be given back when the source closes."""
WARNING_SECONDS: Final = 60.0
MAXIMUM_LEFT: Final = 1_000
"""Polls that nobody waits for."""

OVER_LIMIT: Final = frozenset({"AWS.SimpleQueueService.OverLimit", "OverLimit"})
"""As many messages are in flight as the queue allows (120,000): more come when some of them are settled."""


class _Attempt(TypedDict, total=False):
    ReceiveRequestAttemptId: str


class _Poll:
    """A request under way. ``awaited`` says that somebody takes its records."""

    __slots__ = ("awaited", "most", "task")

    def __init__(self, most: int, task: asyncio.Task[list[QueueRecord]]) -> None:
        self.most = most
        self.task = task
        self.awaited = True


class Receiving:
    """Receives from one queue, for any number of callers at a time."""

    def __init__(self, queue: Queue, background: Background, give_back: GiveBack) -> None:
        """``give_back`` makes the messages of receipts visible again."""
        self._queue = queue
        self._background = background
        self._give_back = give_back
        self._polls: set[asyncio.Task[Any]] = set()
        self._returns: set[asyncio.Task[Any]] = set()
        self._left: list[_Poll] = []
        self._warn_at = 0.0
        self._closed = False

    async def receive(self, *, most: int, wait_seconds: float) -> list[QueueRecord]:
        """Up to ``most`` records; waits up to ``wait_seconds``, of which SQS counts whole ones only.

        Raises UnavailableError, ResourceNotFoundError, AccessDeniedError.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        left_seconds = wait_seconds
        while True:
            records = await self._receive(most, int(left_seconds), deadline)
            left_seconds = deadline - loop.time()
            if records or left_seconds <= 0:
                return records
            if left_seconds < 1:
                await asyncio.sleep(left_seconds)
                left_seconds = 0.0

    async def aclose(self) -> None:
        """Cut off the polls that still run, and see the messages that nobody waited for given back. Idempotent."""
        self._closed = True
        await end(self._polls)
        if self._returns:
            await asyncio.wait(self._returns, timeout=LAST_SECONDS)
        await end(self._returns)

    async def _receive(self, most: int, wait_seconds: int, deadline: float) -> list[QueueRecord]:
        if self._closed:
            raise UnavailableError(self._queue.resource, "is closed")
        taken_over = self._take_over(most) if wait_seconds else None
        poll = taken_over or self._start(most, wait_seconds)
        # A poll that was taken over may have been asked to wait for longer than this caller wants to.
        timeout = max(0.0, deadline - asyncio.get_running_loop().time()) if taken_over else None
        try:
            await asyncio.wait((poll.task,), timeout=timeout)
        except asyncio.CancelledError:
            self._leave(poll)
            raise
        if not poll.task.done():
            self._leave(poll)
            return []
        if poll.task.cancelled():
            raise UnavailableError(self._queue.resource, "was closed")
        return poll.task.result()

    def _start(self, most: int, wait_seconds: int) -> _Poll:
        poll = _Poll(most, self._background.start(self._request(most, wait_seconds)))
        self._polls.add(poll.task)
        poll.task.add_done_callback(lambda _: self._ended(poll))
        return poll

    def _ended(self, poll: _Poll) -> None:
        self._polls.discard(poll.task)
        if not poll.awaited:
            self._left.remove(poll)
            self._return(poll)

    def _take_over(self, most: int) -> _Poll | None:
        for poll in self._left:
            if poll.most <= most and not poll.task.done():
                self._left.remove(poll)
                poll.awaited = True
                return poll
        return None

    def _leave(self, poll: _Poll) -> None:
        """Nobody waits for this poll any more."""
        if poll.task.done():
            self._return(poll)
            return
        poll.awaited = False
        self._left.append(poll)
        if len(self._left) > MAXIMUM_LEFT:
            self._left[0].task.cancel()

    def _return(self, poll: _Poll) -> None:
        """Give back what a poll brought to nobody."""
        if poll.task.cancelled():
            return
        error = poll.task.exception()
        if error is not None:
            _log.debug("%s: a poll that nobody waited for failed: %s", self._queue.resource, error)
        elif records := poll.task.result():
            returning = self._background.start(self._make_visible(records))
            self._returns.add(returning)
            returning.add_done_callback(self._returns.discard)

    async def _make_visible(self, records: Sequence[QueueRecord]) -> None:
        try:
            await self._give_back([record.receipt_handle for record in records])
        except AdapterError as exc:
            _log.warning("%d records come back by themselves: %s", len(records), exc)

    async def _request(self, most: int, wait_seconds: int) -> list[QueueRecord]:
        try:
            with translated(self._queue.resource, RECEIVE):
                async with asyncio.timeout(wait_seconds + LATE_SECONDS):
                    return await self._answer(most, wait_seconds)
        except UnavailableError as exc:
            cause = exc.__cause__
            if not isinstance(cause, ClientError) or error_code(cause) not in OVER_LIMIT:
                raise
        self._warn_of_limit()
        await asyncio.sleep(max(wait_seconds, 1))
        return []

    async def _answer(self, most: int, wait_seconds: int) -> list[QueueRecord]:
        queue = self._queue
        # The answer to a request that is repeated, because the first was lost, has the same messages again.
        fifo = queue.fifo
        attempt: _Attempt = {"ReceiveRequestAttemptId": str(uuid.uuid4())} if fifo else {}
        answer = await queue.client.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
            **attempt,
        )
        return [queue_record(message, fifo=fifo) for message in answer.get("Messages") or ()]

    def _warn_of_limit(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._warn_at:
            self._warn_at = now + WARNING_SECONDS
            _log.warning("%s: as many messages as SQS allows are in flight; no more are received", self._queue.resource)
