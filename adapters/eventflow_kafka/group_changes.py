"""What a consumer group decides about its partitions, in order, for the task that takes part in it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from aiokafka import ConsumerRebalanceListener

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiokafka import TopicPartition


class Assigned(NamedTuple):
    """These partitions are ours from now on, and no others."""

    partitions: frozenset[TopicPartition]


class Revoked(NamedTuple):
    """All partitions have to be given up. ``lost`` says that others may have them already; the group waits for
    ``done``."""

    lost: bool
    done: asyncio.Future[None]


Change: TypeAlias = Assigned | Revoked


class GroupChanges(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Called by aiokafka, in its own task, where errors and cancellation would get lost: it only passes on.

    ``is_lost`` tells whether the group has thrown us out; ``interrupt`` makes the reader look.
    """

    def __init__(self, *, is_lost: Callable[[], bool], interrupt: Callable[[], None]) -> None:
        self._is_lost = is_lost
        self._interrupt = interrupt
        self._changes: deque[Change] = deque()
        self._closed = False

    def next(self) -> Change | None:
        """The oldest change that was not looked at."""
        return self._changes.popleft() if self._changes else None

    def close(self) -> None:
        """Nobody looks any more: the group waits for nothing."""
        self._closed = True
        for change in self._changes:
            if isinstance(change, Revoked) and not change.done.done():
                change.done.set_result(None)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._add(Assigned(frozenset(assigned)))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if self._closed:
            return
        change = Revoked(self._is_lost(), asyncio.get_running_loop().create_future())
        self._add(change)
        await change.done

    def _add(self, change: Change) -> None:
        self._changes.append(change)
        self._interrupt()
