"""Many single calls in few batch requests, without anybody waiting for company.

What is submitted in one turn of the loop goes together; what comes while all requests are under way collects until
one ends. So a lone call is as fast as ever, and a busy sender fills its batches by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from eventflow.errors import AdapterError, InvalidMessageError, UnavailableError

EntryT = TypeVar("EntryT")
ResultT = TypeVar("ResultT")

SendBatch: TypeAlias = Callable[[Sequence[EntryT]], Awaitable[Sequence[ResultT | AdapterError]]]
"""Sends one batch request: one result or error per entry, in their order. An error that it raises is every entry's."""

MAXIMUM_REQUESTS: Final = 8
"""Enough to hide the round trip; more would only make the batches smaller."""


class _Waiting(NamedTuple, Generic[EntryT, ResultT]):
    entry: EntryT
    size_bytes: int
    answer: asyncio.Future[ResultT | Exception]


class Coalescer(Generic[EntryT, ResultT]):
    """Turns ``submit`` of single entries into batch requests of one kind to one resource.

    A request has at most ``maximum_count`` entries of ``maximum_bytes`` together; an entry that is larger goes alone.
    At most ``maximum_requests`` run at once, and everything that waits has its submitter waiting, so the queue is
    bounded by those. A request belongs to no submitter: cancelling one leaves the others' entries alone.
    """

    def __init__(
        self,
        resource: str,
        send_batch: SendBatch[EntryT, ResultT],
        *,
        maximum_count: int,
        maximum_bytes: int,
        maximum_requests: int = MAXIMUM_REQUESTS,
    ) -> None:
        self._resource = resource
        self._send_batch = send_batch
        self._maximum_count = maximum_count
        self._maximum_bytes = maximum_bytes
        self._maximum_requests = maximum_requests
        self._waiting: deque[_Waiting[EntryT, ResultT]] = deque()
        self._requests: set[asyncio.Task[None]] = set()
        self._start_is_due = False
        self._closed = False

    async def submit(self, entry: EntryT, *, size_bytes: int = 0) -> ResultT:
        """The result of one entry, once its request was answered.

        Cancelling takes an entry back that is not on its way; one that is may arrive all the same.
        Raises the entry's own error, or that of its request; UnavailableError after ``aclose``.
        """
        [answer] = await self.submit_many([(entry, size_bytes)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def submit_many(self, entries: Sequence[tuple[EntryT, int]]) -> list[ResultT | Exception]:
        """The results or errors of entries with their sizes in bytes, in their order. Cancelling is as in ``submit``.

        Raises UnavailableError after ``aclose``.
        """
        if self._closed:
            raise UnavailableError(self._resource, "is closed")
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(entry, size_bytes, loop.create_future()) for entry, size_bytes in entries]
        self._waiting.extend(waiting)
        if not self._start_is_due:
            self._start_is_due = True
            loop.call_soon(self._start)
        try:
            return [await one.answer for one in waiting]
        except asyncio.CancelledError:
            for one in waiting:
                one.answer.cancel()
            self._waiting = deque(one for one in self._waiting if not one.answer.cancelled())
            raise

    async def aclose(self) -> None:
        """Take no more, and return when all that was taken is answered. Idempotent. Cancelled, it fails the rest."""
        self._closed = True
        try:
            while self._waiting or self._requests:
                self._start()
                if self._requests:
                    await asyncio.wait(self._requests)
        finally:
            self._abandon()

    def _start(self) -> None:
        """Start as many requests as there may be."""
        self._start_is_due = False
        while len(self._requests) < self._maximum_requests and (batch := self._next_batch()):
            request = asyncio.get_running_loop().create_task(self._request(batch))
            self._requests.add(request)
            request.add_done_callback(self._ended)

    def _ended(self, request: asyncio.Task[None]) -> None:
        self._requests.discard(request)
        self._start()

    def _next_batch(self) -> list[_Waiting[EntryT, ResultT]]:
        batch: list[_Waiting[EntryT, ResultT]] = []
        total = 0
        while self._waiting and len(batch) < self._maximum_count:
            following = self._waiting[0]
            if following.answer.cancelled():
                self._waiting.popleft()
                continue
            total += following.size_bytes
            if batch and total > self._maximum_bytes:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _request(self, batch: list[_Waiting[EntryT, ResultT]]) -> None:
        try:
            results = await self._send_batch([one.entry for one in batch])
            for one, result in zip(batch, results, strict=True):
                _answer(one, result)
        except InvalidMessageError as error:
            await self._refused(batch, error)
        except Exception as error:  # noqa: BLE001 - every submitter raises it
            for one in batch:
                _answer(one, error)
        finally:
            self._forsake(batch)

    async def _refused(self, batch: list[_Waiting[EntryT, ResultT]], error: InvalidMessageError) -> None:
        """One bad entry may have spoilt the request for all: each is tried alone, so that only the bad one fails."""
        if len(batch) == 1:
            _answer(batch[0], error)
            return
        for one in batch:
            await self._request([one])

    def _abandon(self) -> None:
        """Nothing is left to do this for, unless closing was cancelled."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._forsake(waiting)
        for request in self._requests:
            request.cancel()

    def _forsake(self, entries: Sequence[_Waiting[EntryT, ResultT]]) -> None:
        for one in entries:
            if not one.answer.done():
                one.answer.set_result(UnavailableError(self._resource, "was closed before this was sent"))


def _answer(one: _Waiting[EntryT, ResultT], answer: ResultT | Exception) -> None:
    if not one.answer.done():
        one.answer.set_result(answer)
