"""Running many small jobs: a pool of long-lived workers, with order per key where it is asked for.

A task per record costs more than most handlers. Here a record costs one entry in a deque; a key costs one
dictionary entry while it has records in flight, and nothing afterwards.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from eventflow.runtime.cancellation import forget_cancellation, is_stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable

    from anyio.abc import TaskGroup

T = TypeVar("T")
R = TypeVar("R")


class Dispatcher(Generic[T]):
    """Runs ``run(item)`` for every pushed item on at most ``workers`` tasks.

    Items with the same key run one after the other, in the order they were pushed; items with different keys,
    and items without one (``None``), run side by side. At most ``capacity`` items are held: ``push`` more only
    after ``room`` returned. ``run`` returns ``None`` when the item is done, or the seconds after which to run it
    again: until then its key stays blocked, but no worker waits for it. An exception out of ``run`` ends the task
    group: jobs turn theirs into outcomes. A job that cancels the task it runs on loses its item and nothing else.

    With ``in_groups``, items are pushed as others finish, many in one turn of the loop. Then workers are woken at
    its end: those that finish until then take the items without being woken, which halves the switching.
    """

    def __init__(
        self,
        run: Callable[[T], Awaitable[float | None]],
        *,
        workers: int,
        capacity: int,
        tasks: TaskGroup,
        in_groups: bool = False,
    ) -> None:
        self._run = run
        self._tasks = tasks
        self._maximum_workers = workers
        self._capacity = capacity
        self._workers = 0
        self._in_groups = in_groups
        self._waking = False
        self._held = 0
        self._abandoned = False
        self._ready: deque[tuple[Hashable, T]] = deque()
        # key → what waits behind the item in flight; None while nothing does
        self._keys: dict[Hashable, deque[T] | None] = {}
        self._paused: dict[object, asyncio.TimerHandle] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self._room: deque[asyncio.Future[None]] = deque()
        self._quiet: deque[asyncio.Future[None]] = deque()

    @property
    def held(self) -> int:
        """Items pushed and not finished."""
        return self._held

    @property
    def free(self) -> int:
        """How many more items may be pushed now."""
        return self._capacity - self._held if self._held < self._capacity else 0

    def push(self, item: T, key: Hashable = None) -> None:
        """Hand over an item. The caller has seen ``free``, or waited for ``room``."""
        self._held += 1
        if key is not None:
            if key in self._keys:
                waiting = self._keys[key]
                if waiting is None:
                    self._keys[key] = deque((item,))
                else:
                    waiting.append(item)
                return
            self._keys[key] = None
        self._ready.append((key, item))
        if self._idle or self._workers < self._maximum_workers:
            self._call_worker()

    def abandon(self) -> None:
        """Forget every item that is not running now. The caller pushes no more."""
        for timer in self._paused.values():
            timer.cancel()
        waiting = sum(len(behind) for behind in self._keys.values() if behind)
        self._held -= len(self._ready) + len(self._paused) + waiting
        self._ready.clear()
        self._paused.clear()
        self._keys.clear()
        self._abandoned = True
        self._notice_quiet()

    async def room(self) -> None:
        """Return once an item may be pushed."""
        while self._held >= self._capacity:
            await _wait_in(self._room)

    async def quiet(self) -> None:
        """Return once nothing is held."""
        while self._held:
            await _wait_in(self._quiet)

    async def _work(self) -> None:
        run, ready = self._run, self._ready
        while True:
            while not ready:
                await _wait_in(self._idle)
            key, item = ready.popleft()
            pause: float | None = None
            try:
                pause = await run(item)
            finally:
                if pause is None or self._abandoned:
                    self._done(key)
                else:
                    self._pause(key, item, pause)

    def _call_worker(self) -> None:
        if not self._idle:
            self._add_worker()
        elif not self._in_groups:
            _wake_one(self._idle)
        elif not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake_workers)

    def _wake_workers(self) -> None:
        self._waking = False
        for _ in range(min(len(self._ready), self._maximum_workers)):
            if self._idle:
                _wake_one(self._idle)
            else:
                self._add_worker()

    def _add_worker(self) -> None:
        if self._workers < self._maximum_workers:
            self._workers += 1
            self._tasks.start_soon(_keep_working, self._work)

    def _pause(self, key: Hashable, item: T, seconds: float) -> None:
        def resume() -> None:
            del self._paused[resume]
            self._ready.append((key, item))
            self._call_worker()

        self._paused[resume] = asyncio.get_running_loop().call_later(seconds, resume)

    def _done(self, key: Hashable) -> None:
        self._held -= 1
        if key is not None:
            waiting = self._keys.get(key)
            if waiting:
                self._ready.append((key, waiting.popleft()))
            else:
                self._keys.pop(key, None)
        if self._room:
            _wake_one(self._room)
        if not self._held:
            self._notice_quiet()

    def _notice_quiet(self) -> None:
        while self._quiet and not self._held:
            _wake_one(self._quiet)


class Line(Generic[T, R]):
    """What a Dispatcher with one worker and one key for everything does, at a fraction of the cost: runs every pushed
    item on one task, strictly one after the other.

    ``start(item)`` runs it, and ``finish(item, result)`` says what is left to do: mostly nothing, so that an item costs
    no more than its run; or something that returns what a Dispatcher's ``run`` does. An item that is to run again holds
    up those behind it. The rest is as with a Dispatcher, but the caller bounds what it pushes.
    """

    def __init__(
        self,
        start: Callable[[T], Awaitable[R]],
        finish: Callable[[T, R], Awaitable[float | None] | None],
        *,
        tasks: TaskGroup,
    ) -> None:
        self._start = start
        self._finish = finish
        self._items: deque[T] = deque()
        self._busy = False
        self._abandoned = False
        self._idle: deque[asyncio.Future[None]] = deque()
        self._paused: deque[asyncio.Future[None]] = deque()
        self._quiet: deque[asyncio.Future[None]] = deque()
        tasks.start_soon(_keep_working, self._work)

    def push(self, items: Iterable[T]) -> None:
        """Hand over items, in order."""
        self._items.extend(items)
        _wake_one(self._idle)

    def abandon(self) -> None:
        """Forget every item that is not running now. The caller pushes no more."""
        self._abandoned = True
        self._items.clear()
        _wake_one(self._paused)

    async def quiet(self) -> None:
        """Return once nothing is held."""
        while self._busy or self._items:
            await _wait_in(self._quiet)

    async def _work(self) -> None:
        start, finish, items = self._start, self._finish, self._items
        while True:
            self._busy = True
            try:
                while items:
                    item = items.popleft()
                    while (rest := finish(item, await start(item))) is not None:
                        pause = await rest
                        if pause is None or not await self._sleep(pause):
                            break
            finally:
                self._busy = False
            while self._quiet and not items:
                _wake_one(self._quiet)
            while not items:
                await _wait_in(self._idle)

    async def _sleep(self, seconds: float) -> bool:
        """False, and no sleep, once the items are abandoned."""
        if not self._abandoned:
            timer = asyncio.get_running_loop().call_later(seconds, _wake_one, self._paused)
            try:
                await _wait_in(self._paused)
            finally:
                timer.cancel()
        return not self._abandoned


async def _keep_working(work: Callable[[], Awaitable[None]]) -> None:
    """Work until everything stops: a job that cancels the task it runs on ends itself only."""
    while True:
        try:
            await work()
        except asyncio.CancelledError:
            if is_stopping():
                raise
            forget_cancellation()


async def _wait_in(line: deque[asyncio.Future[None]]) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    line.append(future)
    try:
        await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled():
            _wake_one(line)  # pass the turn on
        raise


def _wake_one(line: deque[asyncio.Future[None]]) -> None:
    while line:
        future = line.popleft()
        if not future.done():
            future.set_result(None)
            return
