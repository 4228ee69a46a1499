from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, TypeVar

import anyio
import pytest

from eventflow.errors import (
    AdapterError,
    InvalidMessageError,
    LeaseLostError,
    ResourceNotFoundError,
    UnavailableError,
)
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import QueuedEvent
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.records import Checkpoint, QueueRecord, SourceIdentity, StreamRead
from eventflow.model.subscriptions import (
    QueueSubscription,
    StreamSubscription,
    TopicSubscription,
)
from eventflow.ports import (
    Deliver,
    EventQueueStatistics,
    PartitionOwner,
    QueueProperties,
    ResourceStatus,
)
from eventflow.testing.faults import (
    EVERY,
    Call,
    Fault,
    FaultyAdapter,
    FaultyEventQueueStore,
    FaultyNotificationSource,
    FaultyQueueSource,
    FaultySink,
    FaultyStreamSource,
    Script,
    delay,
    duplicate,
    expire_receipt,
    hang,
    interrupt,
    lose_lease,
    lose_reply,
    missing,
    refuse,
    unavailable,
)

T = TypeVar("T")

HELLO = OutboundMessage(body=b"hello")
IDENTITY = SourceIdentity(arn="arn:aws:sqs:us-east-1:000000000000:orders", region="us-east-1", extras={})


class Letters:
    """A sink that keeps what it was sent."""

    arn = "arn:aws:sqs:us-east-1:000000000000:letters"

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.closed = False

    async def send(self, message: OutboundMessage) -> None:
        self.bodies.append(message.body)

    async def aclose(self) -> None:
        self.closed = True


class Basket:
    """A queue without time: records are visible, or hidden under a receipt."""

    identity = IDENTITY
    properties = QueueProperties(visibility_timeout_seconds=30)

    def __init__(self, *bodies: str) -> None:
        self.visible = [(body, 0) for body in bodies]
        self.hidden: dict[str, tuple[str, int]] = {}
        self._receipts = count(1)

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        taken, self.visible = self.visible[:max_records], self.visible[max_records:]
        return [self._hide(body, received + 1) for body, received in taken]

    def _hide(self, body: str, received: int) -> QueueRecord:
        receipt = f"receipt-{next(self._receipts)}"
        self.hidden[receipt] = (body, received)
        return QueueRecord(body, receipt, body, received, None, {}, {})

    async def delete(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            self.hidden.pop(receipt, None)

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        self.visible += [self.hidden.pop(receipt) for receipt in receipts if receipt in self.hidden]

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> list[str]:
        return [receipt for receipt in receipts if receipt not in self.hidden]

    async def backlog(self) -> int:
        return len(self.visible) + len(self.hidden)

    async def aclose(self) -> None:
        return


class Tape:
    """A stream that remembers commits, and runs until cancelled."""

    identity = IDENTITY

    def __init__(self) -> None:
        self.commits: list[Checkpoint] = []

    async def run(self, owner: PartitionOwner) -> None:
        await anyio.sleep_forever()

    async def read(self, partition: str, *, max_records: int, wait_seconds: float) -> StreamRead:
        return StreamRead(())

    async def commit(self, partition: str, checkpoint: Checkpoint) -> None:
        self.commits.append(checkpoint)

    async def complete(self, partition: str) -> None:
        return

    async def backlog(self) -> int:
        return 0

    async def aclose(self) -> None:
        return


class Bell:
    """A notification source with a list of events; what could not be delivered stays on it."""

    identity = IDENTITY

    def __init__(self, *events: bytes) -> None:
        self.events = list(events)

    async def run(self, deliver: Deliver) -> None:
        while self.events:
            try:
                await deliver(self.events[0])
            except UnavailableError:
                await anyio.sleep(1)
            else:
                self.events.pop(0)

    async def backlog(self) -> int:
        return len(self.events)

    async def aclose(self) -> None:
        return


class Shelf:
    """An event queue without time and without claims by id."""

    lease_seconds: float | None = 60

    def __init__(self) -> None:
        self.waiting: dict[str, QueuedEvent] = {}
        self.claimed: dict[str, QueuedEvent] = {}

    async def put(self, event: QueuedEvent, *, claim: bool) -> bool:
        if event.request_id in self.waiting or event.request_id in self.claimed:
            return False
        (self.claimed if claim else self.waiting)[event.request_id] = event
        return claim

    async def receive(self, *, max_events: int, wait_seconds: float) -> list[QueuedEvent]:
        taken = list(self.waiting.values())[:max_events]
        for event in taken:
            self.claimed[event.request_id] = self.waiting.pop(event.request_id)
        return taken

    async def delete(self, event: QueuedEvent) -> None:
        self.waiting.pop(event.request_id, None)
        self.claimed.pop(event.request_id, None)

    async def reschedule(self, event: QueuedEvent) -> None:
        self.claimed.pop(event.request_id, None)
        self.waiting[event.request_id] = event

    async def extend(self, events: Sequence[QueuedEvent]) -> list[QueuedEvent]:
        return [event for event in events if event.request_id not in self.claimed]

    async def statistics(self) -> EventQueueStatistics:
        return EventQueueStatistics(waiting=len(self.waiting), claimed=len(self.claimed))

    async def aclose(self) -> None:
        return


class Cupboard:
    """An adapter that hands out the things above."""

    def __init__(self) -> None:
        self.letters = Letters()
        self.basket = Basket("a", "b")
        self.tape = Tape()
        self.bell = Bell(b"1")
        self.shelf = Shelf()
        self.entered = False

    async def __aenter__(self) -> Cupboard:
        self.entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.entered = False

    async def queue_source(self, subscription: QueueSubscription) -> Basket:
        return self.basket

    async def stream_source(self, subscription: StreamSubscription) -> Tape:
        return self.tape

    async def notification_source(self, subscription: Any) -> Bell:
        return self.bell

    async def sink(self, destination: Destination) -> Letters:
        return self.letters

    async def event_queue(self, name: str) -> Shelf:
        return self.shelf

    async def resources(self) -> Sequence[ResourceStatus]:
        return [ResourceStatus(resource="sqs:orders", figures={"waiting": 2})]


def event(request_id: str = "r") -> QueuedEvent:
    return QueuedEvent(
        request_id=request_id, function_name="f", source="s3", payload=b"{}", accepted_at=0.0, due_at=0.0
    )


# The kinds of fault


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (unavailable, UnavailableError),
        (refuse, InvalidMessageError),
        (missing, ResourceNotFoundError),
        (lose_lease, LeaseLostError),
    ],
)
async def test_a_failing_call_has_no_effect(fault: Fault, error: type[AdapterError]) -> None:
    letters = Letters()
    with pytest.raises(error, match="send, call 1") as raised:
        await FaultySink(letters, {("send", 1): fault}).send(HELLO)
    assert raised.value.resource == letters.arn
    assert letters.bodies == []


async def test_a_lost_reply_comes_after_the_effect() -> None:
    letters = Letters()
    with pytest.raises(UnavailableError, match="lost the reply"):
        await FaultySink(letters, {("send", 1): lose_reply}).send(HELLO)
    assert letters.bodies == [b"hello"]


async def test_a_hanging_call_can_only_be_cancelled() -> None:
    letters = Letters()
    with anyio.move_on_after(3600) as scope:
        await FaultySink(letters, {("send", 1): hang}).send(HELLO)
    assert scope.cancelled_caught
    assert letters.bodies == []


async def test_a_delayed_call_takes_effect_late() -> None:
    letters = Letters()
    started = anyio.current_time()
    await FaultySink(letters, {("send", 1): delay(7)}).send(HELLO)
    assert anyio.current_time() - started == pytest.approx(7)
    assert letters.bodies == [b"hello"]


async def test_an_interrupted_run_ends_as_unavailable() -> None:
    started = anyio.current_time()
    with pytest.raises(UnavailableError, match="broke it off after 90 s"):
        await FaultyStreamSource(Tape(), {("run", 1): interrupt(90)}).run(NobodyInParticular())
    assert anyio.current_time() - started == pytest.approx(90)


async def test_a_call_that_is_quicker_is_not_interrupted() -> None:
    letters = Letters()
    await FaultySink(letters, {("send", 1): interrupt(1)}).send(HELLO)
    assert letters.bodies == [b"hello"]


async def test_a_duplicated_send_stores_the_message_twice() -> None:
    letters = Letters()
    await FaultySink(letters, {("send", 1): duplicate}).send(HELLO)
    assert letters.bodies == [b"hello", b"hello"]


async def test_a_fault_of_ones_own_is_any_coroutine_function() -> None:
    seen: list[str] = []

    async def note(call: Call[T]) -> T:
        seen.append(str(call))
        return await call.proceed()

    await FaultySink(Letters(), {("send", 1): note}).send(HELLO)
    assert seen == ["send, call 1"]


# The script


async def test_calls_are_counted_per_operation() -> None:
    basket = Basket("a", "b", "c")
    faulty = FaultyQueueSource(basket, {("receive", 2): unavailable, ("delete", 1): unavailable})
    [record] = await faulty.receive(max_records=1, wait_seconds=0)
    with pytest.raises(UnavailableError):
        await faulty.delete([record.receipt_handle])
    with pytest.raises(UnavailableError):
        await faulty.receive(max_records=1, wait_seconds=0)
    assert len(await faulty.receive(max_records=9, wait_seconds=0)) == 2
    assert faulty.faults.calls == {"receive": 3, "delete": 1}


async def test_every_stands_for_calls_without_an_entry_of_their_own() -> None:
    letters = Letters()
    faulty = FaultySink(letters, {("send", EVERY): unavailable, ("send", 2): duplicate})
    with pytest.raises(UnavailableError):
        await faulty.send(HELLO)
    await faulty.send(HELLO)
    with pytest.raises(UnavailableError):
        await faulty.send(HELLO)
    assert letters.bodies == [b"hello", b"hello"]


async def test_a_script_may_change_while_it_runs() -> None:
    script: dict[tuple[str, int], Fault] = {("send", EVERY): unavailable}
    faulty = FaultySink(Letters(), script)
    with pytest.raises(UnavailableError):
        await faulty.send(HELLO)
    script.clear()
    await faulty.send(HELLO)


async def test_entries_that_no_call_has_met_are_told() -> None:
    faulty = FaultySink(Letters(), {("send", 1): duplicate, ("send", 2): duplicate, ("aclose", EVERY): hang})
    await faulty.send(HELLO)
    assert faulty.faults.unused == {("send", 2), ("aclose", EVERY)}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({("sned", 1): hang}, r"no operation 'sned' to go wrong; known: aclose, send"),
        ({("send", -1): hang}, r"calls of send are counted from 1, not -1"),
    ],
)
def test_a_script_that_can_never_apply_is_refused(script: Script, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FaultySink(Letters(), script)


async def test_a_fault_that_has_no_meaning_for_an_operation_is_refused() -> None:
    faulty = FaultyStreamSource(Tape(), {("read", 1): duplicate, ("read", 2): expire_receipt})
    with pytest.raises(ValueError, match="read cannot be duplicated"):
        await faulty.read("p", max_records=1, wait_seconds=0)
    with pytest.raises(ValueError, match="read involves no receipt"):
        await faulty.read("p", max_records=1, wait_seconds=0)


# Queues


async def test_a_duplicated_receive_hands_the_records_out_again() -> None:
    faulty = FaultyQueueSource(Basket("a", "b"), {("receive", 1): duplicate})
    first = await faulty.receive(max_records=2, wait_seconds=0)
    assert await faulty.receive(max_records=1, wait_seconds=0) == first[:1]
    assert await faulty.receive(max_records=5, wait_seconds=0) == first[1:]
    assert await faulty.receive(max_records=5, wait_seconds=0) == []


async def test_records_received_with_expired_receipts_cannot_be_settled() -> None:
    basket = Basket("a")
    faulty = FaultyQueueSource(basket, {("receive", 1): expire_receipt})
    [record] = await faulty.receive(max_records=1, wait_seconds=0)
    [again] = await faulty.receive(max_records=1, wait_seconds=0)
    assert (again.body, again.receive_count) == ("a", 2)
    await faulty.delete([record.receipt_handle])
    await faulty.release([record.receipt_handle])
    assert await faulty.extend([record.receipt_handle, again.receipt_handle], seconds=30) == [record.receipt_handle]
    assert await faulty.backlog() == 1
    await faulty.delete([again.receipt_handle])
    assert await faulty.backlog() == 0


@pytest.mark.parametrize("operation", ["delete", "release", "extend"])
async def test_a_receipt_that_expires_before_it_is_used_lets_the_record_go(operation: str) -> None:
    basket = Basket("a")
    faulty = FaultyQueueSource(basket, {(operation, 1): expire_receipt})
    [record] = await faulty.receive(max_records=1, wait_seconds=0)
    receipts = [record.receipt_handle]
    if operation == "extend":
        assert await faulty.extend(receipts, seconds=30) == receipts
    else:
        await (faulty.delete(receipts) if operation == "delete" else faulty.release(receipts))
    assert basket.visible == [("a", 1)]


async def test_a_queue_without_faults_is_as_it_was() -> None:
    basket = Basket("a", "b")
    faulty = FaultyQueueSource(basket, {})
    assert (faulty.identity, faulty.properties) == (basket.identity, basket.properties)
    one, two = await faulty.receive(max_records=10, wait_seconds=0)
    await faulty.delete([one.receipt_handle])
    await faulty.release([two.receipt_handle], after_seconds=0)
    assert basket.visible == [("b", 1)]
    await faulty.aclose()


# Streams


class NobodyInParticular:
    async def on_assigned(self, assignments: Sequence[Any]) -> None:
        return

    async def on_revoked(self, partitions: Sequence[str]) -> None:
        return

    async def on_lost(self, partitions: Sequence[str]) -> None:
        return


async def test_commits_can_be_lost_and_doubled() -> None:
    tape = Tape()
    faulty = FaultyStreamSource(tape, {("commit", 1): lose_reply, ("commit", 2): duplicate, ("commit", 3): lose_lease})
    with pytest.raises(UnavailableError):
        await faulty.commit("p", Checkpoint(position=1))
    await faulty.commit("p", Checkpoint(position=2))
    with pytest.raises(LeaseLostError):
        await faulty.commit("p", Checkpoint(position=3))
    assert [checkpoint.position for checkpoint in tape.commits] == [1, 2, 2]
    assert await faulty.read("p", max_records=1, wait_seconds=0) == StreamRead(())
    await faulty.complete("p")
    assert (await faulty.backlog(), faulty.identity) == (0, IDENTITY)


# Notifications


async def test_faults_of_deliver_make_the_source_deliver_again() -> None:
    stored: list[bytes] = []

    async def deliver(payload: bytes) -> None:
        stored.append(payload)

    script: Script = {("deliver", 1): unavailable, ("deliver", 2): lose_reply, ("deliver", 4): duplicate}
    faulty = FaultyNotificationSource(Bell(b"1", b"2"), script)
    await faulty.run(deliver)
    assert stored == [b"1", b"1", b"2", b"2"]
    assert (await faulty.backlog(), faulty.identity) == (0, IDENTITY)


# Event queues


async def test_a_duplicated_put_gives_the_answer_of_the_first() -> None:
    shelf = Shelf()
    assert await FaultyEventQueueStore(shelf, {("put", 1): duplicate}).put(event(), claim=True)
    assert list(shelf.claimed) == ["r"]


async def test_expired_claims_are_claimable_again() -> None:
    shelf = Shelf()
    faulty = FaultyEventQueueStore(shelf, {("receive", 1): expire_receipt, ("extend", 1): expire_receipt})
    await faulty.put(event(), claim=False)
    assert await faulty.receive(max_events=1, wait_seconds=0) == [event()]
    assert list(shelf.waiting) == ["r"]
    assert await faulty.receive(max_events=1, wait_seconds=0) == [event()]
    assert await faulty.extend([event()]) == [event()]
    assert list(shelf.waiting) == ["r"]


async def test_an_event_queue_without_faults_is_as_it_was() -> None:
    shelf = Shelf()
    faulty = FaultyEventQueueStore(shelf, {})
    assert faulty.lease_seconds == 60
    await faulty.put(event("a"), claim=True)
    await faulty.put(event("b"), claim=True)
    await faulty.delete(event("a"))
    await faulty.reschedule(event("b"))
    assert await faulty.statistics() == EventQueueStatistics(waiting=1)
    await faulty.aclose()


# Adapters

ORDERS = QueueSubscription(service=Service.SQS, name="orders", subscriber="fulfil")
CLICKS = StreamSubscription(
    service=Service.KINESIS,
    name="clicks",
    subscriber="count",
    mapping=StreamMapping(batch=BatchSettings(batch_size=1), starting_position=StartingPosition.LATEST),
)


async def test_an_adapter_wraps_each_port_by_its_resource_name() -> None:
    scripts: dict[str, Script] = {
        "sqs:orders": {("receive", 1): unavailable},
        "kinesis:clicks": {("read", 1): unavailable},
        "sns:alerts": {("backlog", 1): unavailable},
        "sqs:failures": {("send", 1): unavailable},
        "event_queue:shop": {("put", 1): unavailable},
    }
    async with FaultyAdapter(Cupboard(), scripts) as adapter:
        queue = await adapter.queue_source(ORDERS)
        stream = await adapter.stream_source(CLICKS)
        topic = await adapter.notification_source(TopicSubscription(name="alerts", subscriber="page"))
        sink = await adapter.sink(Destination(Service.SQS, "failures"))
        store = await adapter.event_queue("shop")
        for call in (
            queue.receive(max_records=1, wait_seconds=0),
            stream.read("p", max_records=1, wait_seconds=0),
            topic.backlog(),
            sink.send(HELLO),
            store.put(event(), claim=False),
        ):
            with pytest.raises(UnavailableError):
                await call
    assert adapter.unused == set()


async def test_an_adapter_enters_and_leaves_the_one_inside() -> None:
    cupboard = Cupboard()
    async with FaultyAdapter(cupboard, {}) as adapter:
        assert cupboard.entered
        assert [status.resource for status in await adapter.resources()] == ["sqs:orders"]
    assert not cupboard.entered


async def test_resources_without_a_script_are_not_wrapped() -> None:
    cupboard = Cupboard()
    async with FaultyAdapter(cupboard, {"sqs:orders": {}}) as adapter:
        assert await adapter.sink(Destination(Service.SQS, "others")) is cupboard.letters


async def test_opening_can_fail_and_succeed_later() -> None:
    async with FaultyAdapter(Cupboard(), {"sqs:orders": {("open", 1): unavailable}}) as adapter:
        with pytest.raises(UnavailableError, match="sqs:orders: open, call 1"):
            await adapter.queue_source(ORDERS)
        source = await adapter.queue_source(ORDERS)
        assert await source.backlog() == 2


async def test_calls_are_counted_over_everything_opened_of_a_resource() -> None:
    async with FaultyAdapter(Cupboard(), {"sqs:orders": {("backlog", 2): unavailable}}) as adapter:
        first, second = await adapter.queue_source(ORDERS), await adapter.queue_source(ORDERS)
        await first.backlog()
        with pytest.raises(UnavailableError, match="sqs:orders"):
            await second.backlog()


async def test_unused_entries_name_their_resource() -> None:
    async with FaultyAdapter(Cupboard(), {"sqs:orders": {("delete", 1): lose_reply}}) as adapter:
        assert adapter.unused == {("sqs:orders", "delete", 1)}
