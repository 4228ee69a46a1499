"""``@on_kafka`` and ``@on_kafka_batch``. Source: Lambda guide: with-msk, with-kafka."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar, Unpack

from eventflow.events.kafka import KAFKA
from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.model.kafka import EventRecordFormat, SchemaAttribute, SchemaValidation, name_of
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
    from collections.abc import Callable, Iterator, Sequence

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

SchemaAttributeName: TypeAlias = Literal["KEY", "VALUE"]
EventRecordFormatName: TypeAlias = Literal["JSON", "SOURCE"]
N = TypeVar("N", bound=StrEnum)

_TOPIC_NAME = re.compile(r"[A-Za-z0-9_.-]{1,249}")
_GROUP_NAME = re.compile(r"[A-Za-z0-9-/*:_+=.@-]{1,200}")
_DEFAULT_WINDOW_SECONDS = 0.5


class KafkaOptions(StreamOptions, total=False):
    """Kafka's own options."""

    consumer_group: str | None
    schema_validation_configs: Sequence[SchemaAttributeName]
    event_record_format: EventRecordFormatName


class KafkaBatchOptions(BatchStreamOptions, total=False):
    """Kafka's own options for batches."""

    consumer_group: str | None
    schema_validation_configs: Sequence[SchemaAttributeName]
    event_record_format: EventRecordFormatName


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTrigger(StreamTrigger):
    """Kafka topics, polled for one function in one consumer group. ``stream`` names all of them."""

    service: ClassVar[Service] = Service.KAFKA
    invocation_model: ClassVar[InvocationModel] = InvocationModel.POLLING
    failure_services: ClassVar[tuple[Service, ...]] = (Service.SQS, Service.SNS, Service.S3, Service.KAFKA)

    topics: tuple[str, ...]

    @property
    def maximum_timeout_seconds(self) -> float:
        return limits.MAXIMUM_BROKER_TIMEOUT_SECONDS

    @property
    def decorator(self) -> str:
        topics = ", ".join(f'"{topic}"' for topic in self.topics)
        return f"@on_kafka{'' if self.each_record else '_batch'}({topics})"

    @property
    def resources(self) -> tuple[str, ...]:
        return tuple(f"{self.service}:{topic}" for topic in self.topics)

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        return self.is_called(KAFKA.origin(event), bound_to)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        for topic in self.topics:
            yield from check.matches("topic", topic, _TOPIC_NAME, "1 to 249 letters, digits, - _ and .")
        group = self.settings.consumer_group
        if group is not None:
            yield from check.matches("consumer_group", group, _GROUP_NAME, "1 to 200 letters, digits and -/*:_+=.@")
        yield from self._schema_problems(check)
        if self.settings.tumbling_window_seconds:
            value = self.settings.tumbling_window_seconds
            hint = "Kinesis and DynamoDB Streams have tumbling windows, Kafka has none"
            yield check.problem("tumbling_window_seconds", f"{value!r} is not allowed", hint)
        yield from batch_problems(check, self.settings.batch, KAFKA.filter_rules, maximum_size=10_000)
        yield from stream_problems(check, self.settings, positions=list(StartingPosition))

    def _schema_problems(self, check: Checker) -> Iterator[Problem]:
        validation = self.settings.schema_validation
        if validation is None:
            return
        for attribute in validation.attributes:
            yield from check.one_of("schema_validation_configs", attribute, SchemaAttribute)
        yield from check.one_of("event_record_format", validation.event_record_format, EventRecordFormat)
        if not validation.attributes:
            hint = 'what was written with a schema: "KEY", "VALUE" or both'
            yield check.problem("schema_validation_configs", "is missing: event_record_format is set", hint)


def on_kafka(
    topic: str,
    *more_topics: str,
    starting_position: StartingPositionName = "TRIM_HORIZON",
    **options: Unpack[KafkaOptions],
) -> Callable[[F], F]:
    """Call the handler once per record of ``topic``, and of ``more_topics`` if there are any, in order per partition.

    The handler may take the record's value as ``bytes``, ``str``, a pydantic model or any type pydantic
    validates; or :class:`~eventflow.events.KafkaRecord`; or nothing annotated, for the raw record.
    ``parallelization_factor`` above 1 keeps order per key and runs other keys of the partition meanwhile.
    ``consumer_group`` defaults to function and topics, ``fulfil-orders`` or ``fulfil-orders+returns``: give it a name
    if topics may be added, since a group of another name starts anew.
    ``schema_validation_configs=["VALUE"]`` reads values with the schemas of the environment's registry.
    Other options: see :func:`on_kafka_batch`.
    """
    return mark_with_trigger(_trigger((topic, *more_topics), starting_position, options, each_record=True, report=True))


def on_kafka_batch(
    topic: str,
    *more_topics: str,
    starting_position: StartingPositionName = "TRIM_HORIZON",
    **options: Unpack[KafkaBatchOptions],
) -> Callable[[F], F]:
    """Call the handler with batches of ``topic``, and of ``more_topics`` if there are any, under Lambda's own contract.

    Several topics are read by one member of one group. A batch holds records of one partition of one topic.

    A group that has committed offsets continues there; ``starting_position`` is for one that has none.
    ``schema_validation_configs`` names what of a record was written with a schema, ``"KEY"`` or ``"VALUE"``. Events
    hold it decoded, as JSON, or as it was written with ``event_record_format="SOURCE"``. A record that does not fit
    its schema fails. The registry is the environment's to name.
    ``maximum_batching_window_seconds`` defaults to 0.5. ``filters`` look at ``value``. Other options: see
    :func:`~eventflow.on_kinesis_batch`; there are no tumbling windows.
    """
    report = options.get("report_batch_item_failures", False)
    tumbling = options.get("tumbling_window_seconds", 0)
    topics = (topic, *more_topics)
    trigger = _trigger(topics, starting_position, options, each_record=False, report=report, tumbling=tumbling)
    return mark_with_trigger(trigger)


def _trigger(
    topics: tuple[str, ...], position: str, options: KafkaOptions, *, each_record: bool, report: bool, tumbling: int = 0
) -> KafkaTrigger:
    mapping = stream_mapping(
        options,
        starting_position=position,
        window_seconds=_DEFAULT_WINDOW_SECONDS,
        report_batch_item_failures=report,
        tumbling_window_seconds=tumbling,
        consumer_group=options.get("consumer_group"),
        schema_validation=_schema_validation(options),
    )
    return KafkaTrigger(stream=name_of(topics), topics=topics, settings=mapping, each_record=each_record)


def _schema_validation(options: KafkaOptions) -> SchemaValidation | None:
    if not ("schema_validation_configs" in options or "event_record_format" in options):
        return None
    return SchemaValidation(
        attributes=tuple(_named(SchemaAttribute, name) for name in options.get("schema_validation_configs", ())),
        event_record_format=_named(EventRecordFormat, options.get("event_record_format", "JSON")),
    )


def _named(kind: type[N], value: Any) -> N:
    """The member of that name; anything else stays as it is, and is reported with every other mistake."""
    return kind(value) if value in list(kind) else value
