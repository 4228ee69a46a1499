"""What the triggers of ordered sources share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import StreamSubscription
from eventflow.model.trigger import Trigger
from eventflow.triggers._checks import as_filters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from eventflow.model.destinations import Destination
    from eventflow.model.kafka import SchemaValidation

StartingPositionName: TypeAlias = Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]


class OrderedOptions(TypedDict, total=False):
    """The options that every ordered source has; see :func:`~eventflow.on_kinesis_batch`."""

    batch_size: int
    maximum_batching_window_seconds: float
    starting_timestamp: datetime | None
    maximum_retry_attempts: int
    maximum_record_age_seconds: float
    on_failure: Destination | None


class StreamOptions(OrderedOptions, total=False):
    """The options of sources with keys, partitions and filters."""

    filters: Sequence[Mapping[str, Any] | str]
    parallelization_factor: int
    bisect_batch_on_function_error: bool


class BatchStreamOptions(StreamOptions, total=False):
    """The options that only batch decorators have."""

    report_batch_item_failures: bool
    tumbling_window_seconds: int


def stream_mapping(
    options: StreamOptions,
    *,
    starting_position: str,
    report_batch_item_failures: bool,
    tumbling_window_seconds: int = 0,
    window_seconds: float = 0,
    window_opens_with_first_record: bool = False,
    consumer_group: str | None = None,
    schema_validation: SchemaValidation | None = None,
) -> StreamMapping:
    """A mapping from a decorator's options. ``window_seconds`` is the source's default batching window."""
    batch = BatchSettings(
        batch_size=options.get("batch_size", 100),
        maximum_batching_window_seconds=options.get("maximum_batching_window_seconds", window_seconds),
        filters=as_filters(options.get("filters", ())),
        report_batch_item_failures=report_batch_item_failures,
        window_opens_with_first_record=window_opens_with_first_record,
    )
    return StreamMapping(
        batch=batch,
        starting_position=_position(starting_position),
        starting_timestamp=options.get("starting_timestamp"),
        parallelization_factor=options.get("parallelization_factor", 1),
        tumbling_window_seconds=tumbling_window_seconds,
        bisect_batch_on_function_error=options.get("bisect_batch_on_function_error", False),
        maximum_retry_attempts=options.get("maximum_retry_attempts", -1),
        maximum_record_age_seconds=options.get("maximum_record_age_seconds", -1),
        on_failure=options.get("on_failure"),
        consumer_group=consumer_group,
        schema_validation=schema_validation,
    )


def _position(value: str) -> StartingPosition:
    try:
        return StartingPosition(value)
    except ValueError:
        # Kept as it is: freeze() reports it together with every other mistake.
        return value  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTrigger(Trigger):
    """Base of the triggers of ordered sources."""

    stream: str
    settings: StreamMapping
    each_record: bool

    @property
    def name(self) -> str:
        return self.stream

    @property
    def per_record(self) -> bool:
        return self.each_record

    @property
    def mapping(self) -> StreamMapping:
        return self.settings

    @property
    def destinations(self) -> tuple[Destination, ...]:
        return (self.settings.on_failure,) if self.settings.on_failure else ()

    def subscription(self, subscriber: str) -> StreamSubscription:
        return StreamSubscription(service=self.service, name=self.stream, subscriber=subscriber, mapping=self.settings)
