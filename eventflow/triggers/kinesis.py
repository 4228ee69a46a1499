"""``@on_kinesis`` and ``@on_kinesis_batch``. Source: Lambda guide: with-kinesis."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from eventflow.events.kinesis import KINESIS
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

_STREAM_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisTrigger(StreamTrigger):
    """One Kinesis data stream, polled for one function."""

    service: ClassVar[Service] = Service.KINESIS
    invocation_model: ClassVar[InvocationModel] = InvocationModel.POLLING

    @property
    def decorator(self) -> str:
        return f'@on_kinesis{"" if self.each_record else "_batch"}("{self.stream}")'

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        return self.is_called(KINESIS.origin(event), bound_to)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        yield from check.matches("stream", self.stream, _STREAM_NAME, "1 to 128 letters, digits, - _ and .")
        yield from batch_problems(check, self.settings.batch, KINESIS.filter_rules, maximum_size=10_000)
        yield from stream_problems(check, self.settings, positions=list(StartingPosition))


def on_kinesis(
    stream: str, *, starting_position: StartingPositionName = "TRIM_HORIZON", **options: Unpack[StreamOptions]
) -> Callable[[F], F]:
    """Call the handler once per record of ``stream``, in order per partition key.

    The handler may take the record's data as ``bytes``, ``str``, a pydantic model or any type pydantic
    validates; or :class:`~eventflow.events.KinesisRecord`; or nothing annotated, for the raw record.
    A failing record is tried again, up to its limits, before the next record of its key; with
    ``parallelization_factor`` above 1 other keys go on meanwhile. Options: see :func:`on_kinesis_batch`.
    """
    mapping = stream_mapping(options, starting_position=starting_position, report_batch_item_failures=True)
    return mark_with_trigger(KinesisTrigger(stream=stream, settings=mapping, each_record=True))


def on_kinesis_batch(
    stream: str,
    *,
    starting_position: StartingPositionName = "TRIM_HORIZON",
    **options: Unpack[BatchStreamOptions],
) -> Callable[[F], F]:
    """Call the handler with batches of ``stream``, under Lambda's own contract.

    ``starting_position`` is used where nothing was committed yet; ``AT_TIMESTAMP`` goes with
    ``starting_timestamp``. ``batch_size`` 1 to 10,000, default 100; ``maximum_batching_window_seconds`` 0 to
    300. ``filters``: event patterns on ``data``; others are skipped. ``parallelization_factor`` 1 to 10
    concurrent batches per shard, order kept per key. ``maximum_retry_attempts`` and
    ``maximum_record_age_seconds``: -1 for no limit; what is given up on goes to ``on_failure``.
    ``bisect_batch_on_function_error`` splits a failing batch in two. ``report_batch_item_failures``: the
    handler names the first failed record. ``tumbling_window_seconds`` 1 to 900 aggregates state.
    """
    mapping = stream_mapping(
        options,
        starting_position=starting_position,
        report_batch_item_failures=options.get("report_batch_item_failures", False),
        tumbling_window_seconds=options.get("tumbling_window_seconds", 0),
    )
    return mark_with_trigger(KinesisTrigger(stream=stream, settings=mapping, each_record=False))
