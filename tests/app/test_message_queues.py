"""Functions behind queues of message brokers, embedded and on virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from eventflow import (
    ActiveMQEvent,
    ActiveMQMessage,
    ConfigurationError,
    RabbitMQEvent,
    RabbitMQMessage,
    function,
    on_mq,
    on_mq_batch,
    to_mq,
    to_sqs,
)
from eventflow.model.records import QueueRecord
from eventflow.runtime.metrics import DropReason
from eventflow.testing import TestApp
from eventflow.testing.events import rabbitmq_event
from eventflow.testing.faults import EVERY, unavailable
from eventflow.triggers._engines import MqEngineName

ENGINES: tuple[MqEngineName, ...] = ("rabbitmq", "activemq")
every_engine = pytest.mark.parametrize("engine", ENGINES)


class Order(BaseModel):
    id: str
    total: float


def times(app: TestApp, name: str) -> list[float]:
    """When a function began to run, in seconds since the first time."""
    began = [run.started_at for run in app.invocations(name)]
    return [moment - began[0] for moment in began]


@every_engine
async def test_a_message_is_handled_and_acknowledged(engine: MqEngineName) -> None:
    orders = list[Order]()

    @on_mq("orders", engine=engine)
    async def handle(order: Order) -> None:
        orders.append(order)

    async with TestApp([handle]) as app:
        await app.mq("orders", engine=engine).send({"id": "1", "total": 9.5})
        await app.settle()
        assert orders == [Order(id="1", total=9.5)]
        assert await app.mq("orders", engine=engine).receive() == []


async def test_a_rabbitmq_batch_is_lambda_s_event() -> None:
    events = list[RabbitMQEvent]()

    @on_mq_batch("orders", engine="rabbitmq", virtual_host="shop")
    async def handle(batch: RabbitMQEvent[Order]) -> None:
        events.append(batch)

    async with TestApp([handle]) as app:
        queue = app.mq("orders::shop", engine="rabbitmq")
        await queue.send({"id": "1", "total": 1}, attributes={"colour": "grün", "n": 3, "correlation_id": "c"})
        await queue.send({"id": "2", "total": 2})
        await app.settle()
    [event] = events
    assert event.event_source == "aws:rmq"
    assert event.event_source_arn.startswith("arn:aws:mq:us-east-1:000000000000:broker:")
    assert list(event.rmq_messages_by_queue) == ["orders::shop"]
    [first, second] = event.messages
    assert ([first.payload.id, second.payload.id], first.redelivered) == (["1", "2"], False)
    assert (first.header("colour"), first.header("n"), first.basic_properties.correlation_id) == ("grün", 3, "c")


async def test_an_activemq_batch_is_lambda_s_event() -> None:
    events = list[ActiveMQEvent]()

    @on_mq_batch("orders", engine="activemq")
    async def handle(batch: ActiveMQEvent) -> None:
        events.append(batch)

    async with TestApp([handle]) as app:
        await app.mq("orders", engine="activemq").send("text", attributes={"n": 3, "correlation_id": "c"})
        await app.mq("orders", engine="activemq").send(b"\xff")
        await app.settle()
    [text, binary] = [message for event in events for message in event.messages]
    assert (text.message_type, text.payload, text.properties) == ("jms/text-message", "text", {"n": "3"})
    assert (text.correlation_id, text.destination.physical_name) == ("c", "orders")
    assert (binary.message_type, binary.data_bytes) == ("jms/bytes-message", b"\xff")


async def test_queues_of_two_virtual_hosts_are_two_queues() -> None:
    seen = list[str]()

    @on_mq("orders", engine="rabbitmq")
    async def ours(text: str) -> None:
        seen.append(text)

    async with TestApp([ours]) as app:
        await app.mq("orders", engine="rabbitmq").send("ours")
        await app.mq("orders::shop", engine="rabbitmq").send("theirs")
        await app.settle()
        assert seen == ["ours"]


# Failures


@every_engine
async def test_a_failed_message_is_delivered_again_after_a_growing_delay(engine: MqEngineName) -> None:
    redelivered = list[bool]()

    @on_mq("orders", engine=engine, maximum_batching_window_seconds=0)
    async def handle(message: Any) -> None:
        redelivered.append(message["redelivered"])
        if len(redelivered) < 5:
            raise ValueError("again")

    async with TestApp([handle]) as app:
        await app.mq("orders", engine=engine).send("x")
        await app.settle()
        assert redelivered == [False, True, True, True, True]
        assert times(app, "handle") == pytest.approx([0, 1, 3, 7, 15])


async def test_a_batch_that_fails_comes_back_as_a_whole() -> None:
    batches = list[list[str]]()

    @on_mq_batch("orders", engine="rabbitmq")
    async def handle(batch: RabbitMQEvent) -> dict[str, Any]:
        batches.append([message.payload for message in batch.messages])
        if len(batches) == 1:
            raise ValueError("again")
        return {"batchItemFailures": [{"itemIdentifier": "ignored"}]}

    async with TestApp([handle]) as app:
        for text in ("a", "b"):
            await app.mq("orders", engine="rabbitmq").send(text)
        await app.settle()
        assert batches == [["a", "b"], ["a", "b"]]


@every_engine
async def test_one_message_that_fails_does_not_bring_the_others_back(engine: MqEngineName) -> None:
    seen = list[str]()

    @on_mq("orders", engine=engine)
    async def handle(text: str) -> None:
        seen.append(text)
        if seen.count("bad") == 1 and text == "bad":
            raise ValueError("again")

    async with TestApp([handle]) as app:
        for text in ("a", "bad", "b"):
            await app.mq("orders", engine=engine).send(text)
        await app.settle()
        assert sorted(seen) == ["a", "b", "bad", "bad"]


@every_engine
async def test_what_fails_for_the_last_time_goes_to_the_destination_with_its_data(engine: MqEngineName) -> None:
    @on_mq("orders", engine=engine, maximum_retry_attempts=2, on_failure=to_sqs("failures"))
    async def handle(text: str) -> None:
        raise ValueError(text)

    async with TestApp([handle]) as app:
        await app.mq("orders", engine=engine).send("bad")
        await app.settle()
        assert len(app.invocations("handle")) == 3
        [record] = [json.loads(record.body) for record in await app.sqs("failures").receive()]
    context = record["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetryAttemptsExhausted", 3)
    assert context["functionArn"].endswith(":function:handle")
    event: Any = (RabbitMQEvent if engine == "rabbitmq" else ActiveMQEvent).model_validate(record["payload"])
    assert [message.payload for message in event.messages] == ["bad"]


async def test_a_batch_is_given_up_message_by_message_to_a_queue_of_the_broker() -> None:
    @on_mq_batch("orders", engine="rabbitmq", maximum_retry_attempts=0, on_failure=to_mq("failures", engine="rabbitmq"))
    async def handle(batch: RabbitMQEvent) -> None:
        raise ValueError("no")

    async with TestApp([handle]) as app:
        for text in ("a", "b"):
            await app.mq("orders", engine="rabbitmq").send(text)
        await app.settle()
        given_up = await app.mq("failures", engine="rabbitmq").receive()
        payloads = [RabbitMQEvent.model_validate(json.loads(record.body)["payload"]) for record in given_up]
        assert [message.payload for event in payloads for message in event.messages] == ["a", "b"]
        assert len(app.invocations("handle")) == 1


async def test_without_a_destination_what_is_given_up_is_counted() -> None:
    @on_mq("orders", engine="activemq", maximum_retry_attempts=1)
    async def handle(text: str) -> None:
        raise ValueError(text)

    async with TestApp([handle]) as app:
        await app.mq("orders", engine="activemq").send("bad")
        await app.settle()
        assert app.supervisor.metrics.dropped[("handle", "activemq", DropReason.NO_DESTINATION)] == 1
        assert len(app.invocations("handle")) == 2


async def test_a_destination_that_is_away_loses_nothing() -> None:
    @on_mq("orders", engine="rabbitmq", maximum_retry_attempts=0, on_failure=to_sqs("failures"))
    async def handle(text: str) -> None:
        raise ValueError(text)

    faults = {"sqs:failures": {("send", 1): unavailable, ("send", 2): unavailable}}
    async with TestApp([handle], faults=faults) as app:
        await app.mq("orders", engine="rabbitmq").send("bad")
        await app.settle()
        assert len(await app.sqs("failures").receive()) == 1


async def test_a_message_stays_while_neither_destination_nor_store_takes_it() -> None:
    @on_mq("orders", engine="rabbitmq", maximum_retry_attempts=0, on_failure=to_sqs("failures"))
    async def handle(text: str) -> None:
        raise ValueError(text)

    faults: Mapping[str, Any] = {
        "sqs:failures": {("send", EVERY): unavailable},
        "event_queue:default": {("put", EVERY): unavailable},
    }
    async with TestApp([handle], faults=faults) as app:
        await app.mq("orders", engine="rabbitmq").send("bad")
        await app.advance(10)
        assert len(app.invocations("handle")) > 1
        assert (await app.pending())["rabbitmq:orders"] == 1


async def test_the_broker_s_own_dead_letter_queue_takes_what_was_received_too_often() -> None:
    @on_mq("orders", engine="rabbitmq")
    async def handle(text: str) -> None:
        raise ValueError(text)

    options = {"rabbitmq": {"orders": {"maximum_receive_count": 2, "dead_letter_queue": "dead"}}}
    async with TestApp([handle], options=options) as app:
        await app.mq("orders", engine="rabbitmq").send("bad")
        await app.settle()
        [record] = await app.mq("dead", engine="rabbitmq").receive()
        assert (record.body, len(app.invocations("handle"))) == (b"bad", 2)


# Batches, filters, concurrency


async def test_the_batching_window_opens_with_the_first_message() -> None:
    sizes = list[int]()

    @on_mq_batch("orders", engine="rabbitmq", maximum_batching_window_seconds=10)
    async def handle(batch: RabbitMQEvent) -> None:
        sizes.append(len(batch.messages))

    async with TestApp([handle]) as app:
        await app.advance(7)
        began = app.time()
        for _ in range(3):
            await app.mq("orders", engine="rabbitmq").send("x")
            await app.advance(4)
        await app.settle()
        assert sizes == [3]
        assert app.invocations("handle")[0].started_at == pytest.approx(began + 10)


async def test_by_default_a_batch_waits_half_a_second() -> None:
    @on_mq_batch("orders", engine="activemq")
    async def handle(batch: ActiveMQEvent) -> None: ...

    async with TestApp([handle]) as app:
        await app.advance(100)
        began = app.time()
        await app.mq("orders", engine="activemq").send("x")
        await app.settle()
        assert app.invocations("handle")[0].started_at == pytest.approx(began + 0.5)


@pytest.mark.parametrize(
    ("engine", "options", "most"),
    [("rabbitmq", {}, 1), ("activemq", {}, 5), ("rabbitmq", {"maximum_concurrency": 3}, 3)],
)
async def test_as_many_messages_run_at_once_as_the_engine_s_mapping_allows(
    engine: MqEngineName, options: dict[str, Any], most: int
) -> None:
    running, highest = 0, 0

    @on_mq("orders", engine=engine, **options)
    @function(timeout_seconds=10)
    async def handle(text: str) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await anyio.sleep(1)
        running -= 1

    async with TestApp([handle]) as app:
        for n in range(30):
            await app.mq("orders", engine=engine).send(str(n))
        await app.settle()
        assert (highest, len(app.invocations("handle"))) == (most, 30)


async def test_rabbitmq_s_one_poller_keeps_the_order_of_the_queue() -> None:
    seen = list[str]()

    @on_mq("orders", engine="rabbitmq")
    async def handle(text: str) -> None:
        seen.append(text)

    async with TestApp([handle]) as app:
        for n in range(20):
            await app.mq("orders", engine="rabbitmq").send(str(n))
        await app.settle()
        assert seen == [str(n) for n in range(20)]


async def test_filters_look_at_data_and_what_matches_none_is_acknowledged() -> None:
    seen = list[str]()

    @on_mq("orders", engine="activemq", filters=[{"data": {"total": [{"numeric": [">", 5]}]}}])
    async def handle(order: Order) -> None:
        seen.append(order.id)

    async with TestApp([handle]) as app:
        for id, total in (("small", 1), ("large", 9)):
            await app.mq("orders", engine="activemq").send({"id": id, "total": total})
        await app.settle()
        assert seen == ["large"]
        assert await app.mq("orders", engine="activemq").receive() == []


async def test_a_pattern_of_another_format_than_the_data_does_not_decide() -> None:
    seen = list[str]()

    @on_mq("orders", engine="rabbitmq", filters=[{"data": {"total": [1]}, "redelivered": [False]}])
    async def handle(text: str) -> None:
        seen.append(text)

    async with TestApp([handle]) as app:
        await app.mq("orders", engine="rabbitmq").send("plain text")
        await app.settle()
        assert seen == ["plain text"]


async def test_a_long_handler_keeps_its_message() -> None:
    @on_mq("orders", engine="activemq")
    @function(timeout_seconds=840)
    async def handle(message: ActiveMQMessage) -> None:
        await anyio.sleep(800)

    options = {"activemq": {"orders": {"visibility_timeout_seconds": 850}}}
    async with TestApp([handle], options=options) as app:
        await app.mq("orders", engine="activemq").send("x")
        await app.settle()
        [run] = app.invocations("handle")
        assert isinstance(run.event, QueueRecord)
        assert run.event.receive_count == 1


async def test_a_delayed_message_comes_at_its_time() -> None:
    @on_mq("orders", engine="rabbitmq", maximum_batching_window_seconds=0)
    async def handle(message: RabbitMQMessage) -> None: ...

    async with TestApp([handle]) as app:
        began = app.time()
        await app.mq("orders", engine="rabbitmq").send("x", delay_seconds=3_600)
        await app.settle()
        assert app.invocations("handle")[0].started_at == pytest.approx(began + 3_600)


# One function, several ways in


async def test_a_function_may_read_both_brokers_and_be_invoked_with_the_events_of_each() -> None:
    @on_mq("orders", engine="rabbitmq")
    @on_mq("orders", engine="activemq")
    async def handle(text: str) -> str:
        return text

    async with TestApp([handle]) as app:
        for engine in ENGINES:
            await app.mq("orders", engine=engine).send(engine)
        await app.settle()
        values: list[Any] = [run.outcome.value for run in app.invocations("handle")]  # type: ignore[union-attr]
        assert sorted(values) == ["activemq", "rabbitmq"]


async def test_an_event_that_comes_whole_fails_whole() -> None:
    seen = list[str]()

    @on_mq("orders", engine="rabbitmq")
    async def handle(text: str) -> None:
        seen.append(text)
        if text == "bad":
            raise ValueError(text)

    async with TestApp([handle]) as app:
        outcome = await app.invoke("handle", rabbitmq_event("a", "bad", "b"))
        assert (outcome.ok, seen) == (False, ["a", "bad"])
        assert (await app.invoke("handle", rabbitmq_event("a"))).ok


@pytest.mark.parametrize(
    "declare",
    [lambda: on_mq("orders", engine="kafka"), lambda: to_mq("orders", engine="sqs")],  # type: ignore[arg-type]
)
def test_an_unknown_engine_is_refused_where_it_stands(declare: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"engine: '\w+' is not allowed \(one of rabbitmq, activemq\)"):
        declare()
