"""What a Kafka subscription names and asks for. Source: Apache Kafka documentation: topic names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEPARATOR: Final = "+"
"""In no topic's name, and allowed in a consumer group's."""


def name_of(topics: Sequence[str]) -> str:
    """The name under which topics are read together: ``orders+returns``."""
    return _SEPARATOR.join(topics)


def topics_of(name: str) -> tuple[str, ...]:
    """The inverse of :func:`name_of`."""
    return tuple(name.split(_SEPARATOR))


class EventRecordFormat(StrEnum):
    """How an event holds what was written with a schema. Source: Lambda API: KafkaSchemaRegistryConfig."""

    JSON = "JSON"
    """Decoded, as JSON text."""
    SOURCE = "SOURCE"
    """As it was written, once it was seen to fit."""


class SchemaAttribute(StrEnum):
    """What of a record was written with a schema. Source: Lambda API: KafkaSchemaValidationConfig."""

    KEY = "KEY"
    VALUE = "VALUE"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaValidation:
    """Records were written with schemas of a registry, and are read with them. Where the registry is, is the
    environment's to say."""

    attributes: tuple[SchemaAttribute, ...]
    event_record_format: EventRecordFormat = EventRecordFormat.JSON
