"""What a Kafka subscription names. Source: Apache Kafka documentation: topic names."""

from __future__ import annotations

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
