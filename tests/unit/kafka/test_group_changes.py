from __future__ import annotations

import anyio
from aiokafka import TopicPartition

from eventflow_kafka.group_changes import Assigned, GroupChanges, Revoked

ORDERS = TopicPartition("orders", 0)


class Group:
    """The changes of a group, and how often their reader was interrupted."""

    def __init__(self, *, lost: bool = False) -> None:
        self.interrupted = 0
        self.changes = GroupChanges(is_lost=lambda: lost, interrupt=self._interrupt)

    def _interrupt(self) -> None:
        self.interrupted += 1


async def test_changes_come_in_order_and_interrupt_the_reader() -> None:
    group = Group()
    group.changes.on_partitions_assigned({ORDERS})
    group.changes.on_partitions_assigned(set())
    assert group.interrupted == 2
    assert [group.changes.next(), group.changes.next()] == [Assigned(frozenset({ORDERS})), Assigned(frozenset())]
    assert group.changes.next() is None


async def test_the_group_waits_until_its_partitions_are_given_up() -> None:
    group = Group(lost=True)
    waited = anyio.Event()

    async def revoke() -> None:
        await group.changes.on_partitions_revoked({ORDERS})
        waited.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(revoke)
        await anyio.sleep(10)
        change = group.changes.next()
        assert isinstance(change, Revoked)
        assert change.lost
        assert not waited.is_set()
        change.done.set_result(None)
    assert waited.is_set()


async def test_the_group_waits_for_nobody_who_has_left() -> None:
    group = Group()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.changes.on_partitions_revoked, {ORDERS})
        await anyio.sleep(1)
        group.changes.close()
    await group.changes.on_partitions_revoked({ORDERS})
