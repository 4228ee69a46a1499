"""The embedded environment's table in ``eventflow.toml``, checked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.destinations import Service
from eventflow.model.known_options import known_options
from eventflow.model.mapping import StreamViewType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.ports import AdapterSettings

DEFAULT_DATA: Final = ".eventflow"
MEMORY: Final = "memory"
DAY_SECONDS: Final = 86_400

_QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo|[A-Za-z0-9_-]{1,80}")


def is_queue_name(name: str) -> bool:
    """Source: SQS API: CreateQueue: QueueName."""
    return _QUEUE_NAME.fullmatch(name) is not None


def _number(low: float, high: float, default: float | None) -> Any:
    """A field whose value lies in a range."""
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceOptions:
    """Base of the options of one resource. Numbers have a range; everything else is text or a truth value."""

    @staticmethod
    def problems(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is wrong beyond types and ranges: pairs of field and message."""
        yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules(ResourceOptions):
    """What queues of every service have."""

    visibility_timeout_seconds: float = _number(0, 43_200, 30)
    delay_seconds: float = _number(0, 900, 0)
    message_retention_seconds: float = _number(60, 14 * DAY_SECONDS, 4 * DAY_SECONDS)
    maximum_receive_count: int | None = _number(1, 1_000, None)
    dead_letter_queue: str | None = None

    def hiding_for(self, timeout_seconds: float) -> Self:
        """A queue that has no table hides its records at least as long as its function may take."""
        return replace(self, visibility_timeout_seconds=max(self.visibility_timeout_seconds, timeout_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQueueOptions(QueueRules):
    """``[environments.<name>.rabbitmq.<queue>]``, and ``activemq``. A broker keeps messages for ever unless it is told
    otherwise; ``visibility_timeout_seconds`` is how long a consumer that died held its messages."""

    message_retention_seconds: float = _number(1, math.inf, math.inf)

    @staticmethod
    def problems(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if table.get("dead_letter_queue") == name:
            yield "dead_letter_queue", f"{name!r} is not the name of another queue"
        if (table.get("dead_letter_queue") is None) != (table.get("maximum_receive_count") is None):
            yield "maximum_receive_count", "goes with dead_letter_queue: set both or neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions(QueueRules):
    """``[environments.<name>.queues.<queue>]``: attributes of one queue. Source: SQS API: SetQueueAttributes."""

    content_based_deduplication: bool = False

    @staticmethod
    def problems(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        dead_letters = table.get("dead_letter_queue")
        if not is_queue_name(name):
            yield "", "a queue's name is 1 to 80 letters, digits, - and _, and may end in .fifo"
        if isinstance(dead_letters, str) and (not is_queue_name(dead_letters) or dead_letters == name):
            yield "dead_letter_queue", f"{dead_letters!r} is not the name of another queue"
        if isinstance(dead_letters, str) and dead_letters.endswith(".fifo") != name.endswith(".fifo"):
            yield "dead_letter_queue", "has to be a FIFO queue if this is one, and a standard queue otherwise"
        if (dead_letters is None) != (table.get("maximum_receive_count") is None):
            yield "maximum_receive_count", "goes with dead_letter_queue: set both or neither"
        if table.get("content_based_deduplication") and not name.endswith(".fifo"):
            yield "content_based_deduplication", "is for FIFO queues only"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions(ResourceOptions):
    """``[environments.<name>.streams.<stream>]``."""

    shards: int = _number(1, 500, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions(ResourceOptions):
    """``[environments.<name>.tables.<table>]``: the key schema, and what the stream holds for a subscription that
    does not say. Source: DynamoDB API: CreateTable."""

    partition_key: str = "id"
    sort_key: str | None = None
    view_type: str = StreamViewType.NEW_AND_OLD_IMAGES

    @staticmethod
    def problems(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if table.get("sort_key") is not None and table["sort_key"] == table.get("partition_key", "id"):
            yield "sort_key", "has to differ from partition_key"
        if table.get("view_type", StreamViewType.NEW_IMAGE) not in list(StreamViewType):
            yield "view_type", f"has to be one of {', '.join(StreamViewType)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTopicOptions(ResourceOptions):
    """``[environments.<name>.kafka.<topic>]``. Source: Apache Kafka: topic configs."""

    partitions: int = _number(1, 1_000, 1)
    max_message_bytes: int = _number(1, 100 * 1024 * 1024, 1_048_588)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """What the embedded environment obeys. ``data`` is the directory of all state, ``None`` for memory.

    Every other field is a table of tables: the options of the resources of one kind, by name.
    """

    data: Path | None
    queues: Mapping[str, QueueOptions] = field(default_factory=dict)
    streams: Mapping[str, StreamOptions] = field(default_factory=dict)
    tables: Mapping[str, TableOptions] = field(default_factory=dict)
    kafka: Mapping[str, KafkaTopicOptions] = field(default_factory=dict)
    rabbitmq: Mapping[str, MessageQueueOptions] = field(default_factory=dict)
    activemq: Mapping[str, MessageQueueOptions] = field(default_factory=dict)

    @classmethod
    def parse(cls, settings: AdapterSettings) -> LocalOptions:
        """Read an environment's table. Raises ConfigurationError that lists every mistake in it."""
        problems = list(_problems(settings.options, f"environment {settings.environment!r}"))
        if problems:
            raise ConfigurationError(problems)
        data = settings.options.get("data", DEFAULT_DATA)
        tables: dict[str, Any] = {
            key: {name: kind(**table) for name, table in settings.options.get(key, {}).items()}
            for key, kind in TABLES.items()
        }
        return cls(data=None if data == MEMORY else Path(data).expanduser(), **tables)

    def queue(self, name: str, *, timeout_seconds: float = 0) -> QueueOptions:
        return self.queues.get(name) or _DEFAULT_QUEUE.hiding_for(timeout_seconds)

    def message_queue(self, service: Service, name: str, *, timeout_seconds: float = 0) -> MessageQueueOptions:
        """Of a queue of RabbitMQ or ActiveMQ."""
        tables = self.rabbitmq if service is Service.RABBITMQ else self.activemq
        return tables.get(name) or _DEFAULT_MESSAGE_QUEUE.hiding_for(timeout_seconds)

    def stream(self, name: str) -> StreamOptions:
        return self.streams.get(name, _DEFAULT_STREAM)

    def table(self, name: str) -> TableOptions:
        return self.tables.get(name, _DEFAULT_TABLE)

    def kafka_topic(self, name: str) -> KafkaTopicOptions:
        return self.kafka.get(name, _DEFAULT_KAFKA_TOPIC)


TABLES: Final[Mapping[str, type[ResourceOptions]]] = {
    "queues": QueueOptions,
    "streams": StreamOptions,
    "tables": TableOptions,
    "kafka": KafkaTopicOptions,
    "rabbitmq": MessageQueueOptions,
    "activemq": MessageQueueOptions,
}
"""The tables in an environment's table, and what the options in them are."""

_DEFAULT_QUEUE: Final = QueueOptions()
_DEFAULT_MESSAGE_QUEUE: Final = MessageQueueOptions()
_DEFAULT_STREAM: Final = StreamOptions()
_DEFAULT_TABLE: Final = TableOptions()
_DEFAULT_KAFKA_TOPIC: Final = KafkaTopicOptions()


def _problems(options: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for key in sorted(options.keys() - {"data", *TABLES}):
        yield Problem(where=where, field=key, message="is not an option", hint=known_options(key, ("data", *TABLES)))
    data = options.get("data", DEFAULT_DATA)
    if not isinstance(data, str) or not data:
        yield Problem(where=where, field="data", message=f"{data!r} is not a directory", hint='or "memory"')
    for key, kind in TABLES.items():
        tables = options.get(key, {})
        if not isinstance(tables, dict):
            yield Problem(
                where=where, field=key, message="is not a table", hint=f"[environments.<name>.{key}.<resource>]"
            )
            continue
        for name, table in tables.items():
            yield from _table_problems(kind, name, table, f"{where}, {key}.{name}")


def _table_problems(kind: type[ResourceOptions], name: str, table: object, where: str) -> Iterator[Problem]:
    if not isinstance(table, dict):
        yield Problem(where=where, message="is not a table")
        return
    known = {option.name: option for option in fields(kind)}
    for key, value in table.items():
        option = known.get(key)
        if option is None:
            yield Problem(where=where, field=key, message="is not an option", hint=f"known: {', '.join(sorted(known))}")
        elif hint := _wrong(value, option.metadata.get("range"), str(option.type)):
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint=hint)
    for key, message in kind.problems(name, table):
        yield Problem(where=where, field=key or None, message=message)


def _wrong(value: object, limits: tuple[float, float] | None, declared: str) -> str | None:
    """What would be right, if ``value`` is not."""
    if declared == "bool":
        return None if isinstance(value, bool) else "true or false"
    if limits is None:
        return None if isinstance(value, str) else "text"
    whole = declared.startswith("int")
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return "a whole number" if whole else "a number"
    low, high = limits
    return None if low <= value <= high else f"{low:g} to {high:g}"
