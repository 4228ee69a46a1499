"""What filter criteria look at. Source: Lambda guide: invocation-eventfiltering."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple


class FilterMismatch(StrEnum):
    """What happens when the data's format is not the pattern's (JSON against plain text)."""

    DROP = "drop"
    """The record does not match (SQS, Kinesis, DynamoDB Streams)."""
    IGNORE_DATA = "ignore data"
    """Only the rest of the pattern decides (Kafka, message queues)."""


class FilterRules(NamedTuple):
    """How a source's records are filtered.

    ``data_key`` is the key whose value is decoded before matching. ``plain_text`` says whether a pattern may
    ask for plain text there (``{"body": ["text"]}``). ``decoded`` says that the data is JSON already (DynamoDB).
    """

    data_key: str
    plain_text: bool
    mismatch: FilterMismatch
    decoded: bool = False


class FilterView(NamedTuple):
    """A record as filters see it: its undecoded data, and every other key of the wire record."""

    data: str | bytes | dict[str, Any] | None
    metadata: dict[str, Any]
