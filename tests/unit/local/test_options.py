"""The embedded environment's table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import ConfigurationError
from eventflow.model.destinations import Service
from eventflow.ports import AdapterSettings
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local.options import LocalOptions, QueueOptions


def parse(**options: Any) -> LocalOptions:
    return LocalOptions.parse(AdapterSettings(environment="local", options=options, resources={}, clock=VirtualClock()))


async def test_without_options_everything_has_its_default() -> None:
    options = parse()
    assert options.data == Path(".eventflow")
    assert options.queue("orders") == QueueOptions(
        visibility_timeout_seconds=30, delay_seconds=0, message_retention_seconds=345_600
    )
    assert options.stream("clicks").shards == 1
    assert options.table("customers").partition_key == "id"
    assert options.kafka_topic("clicks").partitions == 1
    assert options.message_queue(Service.RABBITMQ, "orders").message_retention_seconds == math.inf
    assert options.message_queue(Service.RABBITMQ, "orders", timeout_seconds=60).visibility_timeout_seconds == 60


async def test_memory_is_not_a_directory() -> None:
    assert parse(data="memory").data is None


async def test_every_table_is_obeyed() -> None:
    options = parse(
        queues={"orders": {"visibility_timeout_seconds": 5, "dead_letter_queue": "dead", "maximum_receive_count": 3}},
        streams={"clicks": {"shards": 4}},
        tables={"customers": {"partition_key": "name", "sort_key": "city"}},
        kafka={"clicks": {"partitions": 8}},
        rabbitmq={"orders::shop": {"delay_seconds": 1}},
        activemq={"orders": {"delay_seconds": 2}},
    )
    queue = options.queue("orders")
    assert (queue.visibility_timeout_seconds, queue.dead_letter_queue, queue.maximum_receive_count) == (5, "dead", 3)
    assert options.stream("clicks").shards == 4
    assert options.table("customers").sort_key == "city"
    assert options.kafka_topic("clicks").partitions == 8
    assert options.message_queue(Service.RABBITMQ, "orders::shop").delay_seconds == 1
    assert options.message_queue(Service.ACTIVEMQ, "orders").delay_seconds == 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"date": "x"}, "activemq; did you mean data?)"),
        ({"data": ""}, "data: '' is not a directory"),
        ({"data": 7}, "data: 7 is not a directory"),
        ({"queues": []}, "queues: is not a table"),
        ({"queues": {"orders": 1}}, "queues.orders: is not a table"),
        ({"queues": {"orders": {"visibility": 1}}}, "visibility: is not an option"),
        ({"queues": {"orders": {"visibility_timeout_seconds": 43_201}}}, "43201 is not allowed (0 to 43200)"),
        ({"queues": {"orders": {"visibility_timeout_seconds": "5"}}}, "'5' is not allowed (a number)"),
        ({"queues": {"orders": {"delay_seconds": True}}}, "True is not allowed (a number)"),
        ({"queues": {"two words": {}}}, "a queue's name is"),
        ({"queues": {"orders": {"maximum_receive_count": 3}}}, "set both or neither"),
        ({"queues": {"orders": {"dead_letter_queue": "dead"}}}, "set both or neither"),
        ({"queues": {"a": {"dead_letter_queue": "a", "maximum_receive_count": 1}}}, "not the name of another queue"),
        ({"queues": {"a": {"dead_letter_queue": "b.fifo", "maximum_receive_count": 1}}}, "has to be a FIFO queue"),
        ({"queues": {"a": {"dead_letter_queue": "b", "maximum_receive_count": 1.5}}}, "1.5 is not allowed (a whole"),
        ({"queues": {"a": {"content_based_deduplication": True}}}, "for FIFO queues only"),
        ({"queues": {"a.fifo": {"content_based_deduplication": "yes"}}}, "'yes' is not allowed (true or false)"),
        ({"rabbitmq": {"orders": {"dead_letter_queue": "dead"}}}, "set both or neither"),
        ({"activemq": {"a": {"dead_letter_queue": "a", "maximum_receive_count": 1}}}, "not the name of another queue"),
        ({"streams": {"clicks": {"shards": 0}}}, "0 is not allowed (1 to 500)"),
        ({"tables": {"t": {"partition_key": 1}}}, "1 is not allowed (text)"),
        ({"tables": {"t": {"sort_key": "id"}}}, "has to differ"),
    ],
)
async def test_a_mistake_is_explained(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(**options)
    assert complaint in str(caught.value)


async def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(data=1, queues={"a": {"delay_seconds": -1, "colour": "red"}}, streams=3)
    assert len(caught.value.problems) == 4
