"""The rules of a queue against a model that is too simple to be wrong."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventflow_local.options import QueueOptions
from eventflow_local.queue_engine import NewMessage, Queue, QueueCounts
from eventflow_local.queues import queue_record
from eventflow_local.schema import QUEUES

VISIBILITY, DELAY, MOST = 30, 5, 2


@dataclass
class Expected:
    """What the model knows of one message."""

    group: str | None
    visible_at: float
    receives: int = 0
    receipt: str | None = None
    where: str = "queue"


class QueueMachine(RuleBasedStateMachine):
    """Every sent record is in exactly one of visible, in flight, deleted, dead-lettered."""

    fifo = False
    receipts: Bundle[tuple[str, str]] = Bundle("receipts")

    def __init__(self) -> None:
        super().__init__()
        suffix = ".fifo" if self.fifo else ""
        self.now = 1_000.0
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(QUEUES)
        self.dead_letters = self._queue(f"dead{suffix}", QueueOptions())
        redrive: dict[str, Any] = {"dead_letter_queue": f"dead{suffix}", "maximum_receive_count": MOST}
        self.queue = self._queue(
            f"orders{suffix}", QueueOptions(visibility_timeout_seconds=VISIBILITY, delay_seconds=DELAY, **redrive)
        )
        self.sent: dict[str, Expected] = {}

    def _queue(self, name: str, options: QueueOptions) -> Queue:
        return Queue(
            name=name,
            arn=f"arn:{name}",
            options=options,
            to_record=partial(queue_record, fifo=self.fifo, sender_id="me"),
        )

    def teardown(self) -> None:
        self.connection.close()

    @initialize()
    def create(self) -> None:
        self.queue.create(self.connection)

    @rule(group=st.sampled_from("abc"))
    def send(self, group: str) -> None:
        body = str(len(self.sent))
        identifier = body if self.fifo else None
        message = NewMessage(body, None, group if self.fifo else None, identifier)
        assert self.queue.send(self.connection, message, now=self.now)
        self.sent[body] = Expected(message.group_id, visible_at=self.now + DELAY)

    @precondition(lambda self: self.fifo and self.sent)
    @rule()
    def send_a_duplicate(self) -> None:
        body = str(len(self.sent) - 1)
        self.queue.send(self.connection, NewMessage(body, None, "a", "always the same"), now=self.now)
        assert not self.queue.send(self.connection, NewMessage(body, None, "a", "always the same"), now=self.now)
        self.connection.execute("DELETE FROM messages WHERE deduplication_id = 'always the same'")

    @rule(target=receipts, limit=st.integers(1, 4))
    def receive(self, limit: int) -> Any:
        before = {body: expected for body, expected in self.sent.items() if self._may_come(expected)}
        records = self.queue.receive(self.connection, limit=limit, now=self.now).records
        self._redrive(before)
        for record in records:
            expected = self.sent[str(record.body)]
            assert expected.where == "queue"
            assert expected.visible_at <= self.now
            expected.receives += 1
            expected.visible_at = self.now + VISIBILITY
            assert record.receive_count == expected.receives <= MOST
            assert record.receipt_handle != expected.receipt
            expected.receipt = record.receipt_handle
        if self.fifo:
            self._check_order([str(record.body) for record in records])
        else:
            assert len(records) == min(limit, sum(expected.where == "queue" for expected in before.values()))
        return multiple(*((str(record.body), record.receipt_handle) for record in records))

    def _may_come(self, expected: Expected) -> bool:
        blocked = {other.group for other in self.sent.values() if self._is_in_flight(other)}
        return (
            expected.where == "queue"
            and expected.visible_at <= self.now
            and not (self.fifo and expected.group in blocked)
        )

    def _is_in_flight(self, expected: Expected) -> bool:
        return expected.where == "queue" and expected.receives > 0 and expected.visible_at > self.now

    def _redrive(self, candidates: dict[str, Expected]) -> None:
        """Messages that were received too often leave the queue, but only when a receive comes to them."""
        dead = self.connection.execute("SELECT body FROM messages WHERE queue = ?", (self.dead_letters.name,))
        for (body,) in dead.fetchall():
            if self.sent[body].where == "queue":
                assert body in candidates
                assert self.sent[body].receives >= MOST
                self.sent[body].where = "dead letters"

    def _check_order(self, bodies: list[str]) -> None:
        """Of every group the oldest messages came, in order, and none was skipped."""
        for group in "abc":
            came = [body for body in bodies if self.sent[body].group == group]
            waiting = [body for body, e in self.sent.items() if e.group == group and e.where == "queue"]
            if came:
                assert came == waiting[: len(came)]

    @rule(receipt=receipts)
    def delete(self, receipt: tuple[str, str]) -> None:
        body, handle = receipt
        self.queue.delete(self.connection, [handle])
        expected = self.sent[body]
        if expected.where == "queue" and expected.receipt == handle:
            expected.where = "deleted"

    @rule(receipt=receipts, seconds=st.sampled_from([0, 10, 60]))
    def hide(self, receipt: tuple[str, str], seconds: float) -> None:
        body, handle = receipt
        expected = self.sent[body]
        ours = expected.receipt == handle and self._is_in_flight(expected)
        assert self.queue.hide(self.connection, handle, seconds=seconds, now=self.now) == ours
        if ours:
            expected.visible_at = self.now + seconds

    @rule(receipt=receipts)
    def give_back(self, receipt: tuple[str, str]) -> None:
        body, handle = receipt
        expected = self.sent[body]
        self.queue.give_back(self.connection, [handle], now=self.now)
        if expected.where == "queue" and expected.receipt == handle:
            expected.receives -= 1
            expected.visible_at, expected.receipt = self.now, None

    @rule(seconds=st.sampled_from([1, DELAY, VISIBILITY]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def every_record_is_in_exactly_one_place(self) -> None:
        rows = self.connection.execute("SELECT body, queue FROM messages").fetchall()
        assert len(rows) == len(dict(rows)), "a record is in two places"
        names = {"queue": self.queue.name, "dead letters": self.dead_letters.name}
        assert dict(rows) == {body: names[e.where] for body, e in self.sent.items() if e.where in names}

    @invariant()
    def counts_agree(self) -> None:
        here = [expected for expected in self.sent.values() if expected.where == "queue"]
        hidden = [expected for expected in here if expected.visible_at > self.now]
        in_flight = sum(expected.receives > 0 for expected in hidden)
        assert self.queue.counts(self.connection, now=self.now) == QueueCounts(
            visible=len(here) - len(hidden), in_flight=in_flight, delayed=len(hidden) - in_flight
        )


class FifoQueueMachine(QueueMachine):
    fifo = True


def test_standard_queue_agrees_with_its_model() -> None:
    run_state_machine_as_test(QueueMachine, settings=settings(max_examples=60))


def test_fifo_queue_agrees_with_its_model() -> None:
    run_state_machine_as_test(FifoQueueMachine, settings=settings(max_examples=60))
