"""``@on_kafka`` and ``@on_kafka_batch``. Source: Lambda guide: with-msk, with-kafka."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from eventflow.events.kafka import KAFKA
from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.model.mapping import StartingPosition
from eventflow.model.trigger import InvocationModel
from eventflow.triggers._checks import Checker, batch_problems, stream_problems
from eventflow.triggers._marks import F, mark_with_trigger
from eventflow.triggers._stream import (
    BatchStreamOptions,
    StartingPositionName,
    StreamOptions,
    StreamTrigger,
    stream_mapping,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

_TOPIC_NAME = re.compile(r"[A-Za-z0-9_.-]{1,249}")
_GROUP_NAME = re.compile(r"[A-Za-z0-9-/*:_+=.@-]{1,200}")
_DEFAULT_WINDOW_SECONDS = 0.5


class KafkaOptions(StreamOptions, total=False):
    """Kafka's own options."""

    consumer_group: str | None


class KafkaBatchOptions(BatchStreamOptions, total=False):
    """Kafka's own options for batches."""

    consumer_group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTrigger(StreamTrigger):
    """One Kafka topic, polled for one function in one consumer group."""

    service: ClassVar[Service] = Service.KAFKA
    invocation_model: ClassVar[InvocationModel] = InvocationModel.POLLING
    maximum_timeout_seconds: ClassVar[float] = limits.MAXIMUM_BROKER_TIMEOUT_SECONDS
    failure_services: ClassVar[tuple[Service, ...]] = (Service.SQS, Service.SNS, Service.S3, Service.KAFKA)

    @property
    def decorator(self) -> str:
        return f'@on_kafka{"" if self.each_record else "_batch"}("{self.stream}")'

    def asks_for(self, wire: JsonObject, bound_to: str | None) -> bool:
        return self.is_called(KAFKA.origin(wire), bound_to)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        yield from check.matches("topic", self.stream, _TOPIC_NAME, "1 to 249 letters, digits, - _ and .")
        group = self.settings.consumer_group
        if group is not None:
            yield from check.matches("consumer_group", group, _GROUP_NAME, "1 to 200 letters, digits and -/*:_+=.@")
        if self.settings.tumbling_window_seconds:
            value = self.settings.tumbling_window_seconds
            hint = "Kinesis and DynamoDB Streams have tumbling windows, Kafka has none"
            yield check.problem("tumbling_window_seconds", f"{value!r} is not allowed", hint)
        yield from batch_problems(check, self.settings.batch, KAFKA.filter_rules, maximum_size=10_000)
        yield from stream_problems(check, self.settings, positions=list(StartingPosition))


def on_kafka(
    topic: str, *, starting_position: StartingPositionName = "TRIM_HORIZON", **options: Unpack[KafkaOptions]
) -> Callable[[F], F]:
    """Call the handler once per record of ``topic``, in order per partition.

    The handler may take the record's value as ``bytes``, ``str``, a pydantic model or any type pydantic
    validates; or :class:`~eventflow.events.KafkaRecord`; or nothing annotated, for the raw record.
    ``parallelization_factor`` above 1 keeps order per key and runs other keys of the partition meanwhile.
    ``consumer_group`` defaults to function and topic, ``fulfil-orders``. Other options: see :func:`on_kafka_batch`.
    """
    return mark_with_trigger(_trigger(topic, starting_position, options, each_record=True, report=True))


def on_kafka_batch(
    topic: str,
    *,
    starting_position: StartingPositionName = "TRIM_HORIZON",
    **options: Unpack[KafkaBatchOptions],
) -> Callable[[F], F]:
    """Call the handler with batches of ``topic``, under Lambda's own contract.

    A group that has committed offsets continues there; ``starting_position`` is for one that has none.
    ``maximum_batching_window_seconds`` defaults to 0.5. ``filters`` look at ``value``. Other options: see
    :func:`~eventflow.on_kinesis_batch`; there are no tumbling windows.
    """
    report = options.get("report_batch_item_failures", False)
    tumbling = options.get("tumbling_window_seconds", 0)
    trigger = _trigger(topic, starting_position, options, each_record=False, report=report, tumbling=tumbling)
    return mark_with_trigger(trigger)


def _trigger(
    topic: str, position: str, options: KafkaOptions, *, each_record: bool, report: bool, tumbling: int = 0
) -> KafkaTrigger:
    mapping = stream_mapping(
        options,
        starting_position=position,
        window_seconds=_DEFAULT_WINDOW_SECONDS,
        report_batch_item_failures=report,
        tumbling_window_seconds=tumbling,
        consumer_group=options.get("consumer_group"),
    )
    return KafkaTrigger(stream=topic, settings=mapping, each_record=each_record)
