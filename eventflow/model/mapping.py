"""An event source mapping: one polled source, one function, and the settings between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from eventflow.model.destinations import Destination
    from eventflow.model.kafka import SchemaValidation


class StartingPosition(StrEnum):
    """Where a stream is read from when nothing was committed before."""

    TRIM_HORIZON = "TRIM_HORIZON"
    LATEST = "LATEST"
    AT_TIMESTAMP = "AT_TIMESTAMP"


class StreamViewType(StrEnum):
    """What a DynamoDB stream record holds. Source: DynamoDB API: StreamSpecification."""

    KEYS_ONLY = "KEYS_ONLY"
    NEW_IMAGE = "NEW_IMAGE"
    OLD_IMAGE = "OLD_IMAGE"
    NEW_AND_OLD_IMAGES = "NEW_AND_OLD_IMAGES"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """What every event source mapping has. Source: Lambda API: CreateEventSourceMapping.

    ``filters`` are event patterns as JSON text; a record passes if any of them matches, or there is none.
    ``report_batch_item_failures`` is ``FunctionResponseTypes: ["ReportBatchItemFailures"]``.
    ``window_opens_with_first_record`` is the source's own: elsewhere the batching window opens when the previous
    invocation ends. Source: Lambda guide: invocation-eventsourcemapping.
    """

    batch_size: int
    maximum_batching_window_seconds: float = 0
    filters: tuple[str, ...] = ()
    report_batch_item_failures: bool = False
    window_opens_with_first_record: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMapping:
    """Settings of a mapping whose records are settled one by one (SQS, message queues).

    ``maximum_retry_attempts`` counts deliveries beyond the first; -1 is no limit, ``None`` leaves it to the queue's own
    redrive policy (SQS). What is given up goes to ``on_failure``.
    """

    batch: BatchSettings
    maximum_concurrency: int | None = None
    maximum_retry_attempts: int | None = None
    on_failure: Destination | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMapping:
    """Settings of a mapping whose records are ordered in partitions (Kinesis, DynamoDB Streams, Kafka,
    DocumentDB).

    ``maximum_retry_attempts`` and ``maximum_record_age_seconds`` are -1 for no limit.
    ``tumbling_window_seconds`` is 0 for none. ``starting_timestamp`` goes with ``AT_TIMESTAMP``.
    ``consumer_group`` and ``schema_validation`` are Kafka's; without a group, it is named after function and topics.
    """

    batch: BatchSettings
    starting_position: StartingPosition
    starting_timestamp: datetime | None = None
    parallelization_factor: int = 1
    tumbling_window_seconds: int = 0
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = -1
    maximum_record_age_seconds: float = -1
    on_failure: Destination | None = None
    consumer_group: str | None = None
    schema_validation: SchemaValidation | None = None
