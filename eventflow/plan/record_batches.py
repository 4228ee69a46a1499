"""A per-record handler behind a whole event: inside Lambda, and through the Invoke API."""

from __future__ import annotations

import inspect
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eventflow.events import codec_for
from eventflow.plan.endpoints import sent_endpoint
from eventflow.plan.shapes import SentRecord, read_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.context import Context
    from eventflow.plan.endpoint import Endpoint


_log = logging.getLogger(__name__)


def batch_endpoint(endpoint: Endpoint) -> Endpoint:
    """An endpoint that takes a batch's wire event, calls the per-record handler for each record in order, and
    returns Lambda's partial batch response.

    After a failure, later records with the same ordering key are not tried and fail too. A source that knows no
    partial responses (message queues) gets the error instead: it delivers the whole batch again.
    Raises ValueError for a function without a source.
    """
    if endpoint.trigger is None:
        raise ValueError(f"{endpoint.function.name} has no source, so it has no records")
    codec: Any = codec_for(endpoint.trigger.service)
    call = sent_endpoint(endpoint).call
    partial = endpoint.trigger.partial_responses

    async def call_async(wire: dict[str, Any], context: Context) -> dict[str, Any]:
        failures = _Failures(codec, partial=partial)
        for sent in _sent_records(codec, wire):
            record = sent.record
            if failures.allow(record):
                try:
                    await call(sent, context)
                except Exception as exc:  # noqa: BLE001 (the edge of user code: an error fails its record)
                    failures.add(record, exc)
        return failures.response()

    def call_sync(wire: dict[str, Any], context: Context) -> dict[str, Any]:
        failures = _Failures(codec, partial=partial)
        for sent in _sent_records(codec, wire):
            record = sent.record
            if failures.allow(record):
                try:
                    _refuse_coroutine(call(sent, context))
                except Exception as exc:  # noqa: BLE001 (the edge of user code: an error fails its record)
                    failures.add(record, exc)
        return failures.response()

    is_async = inspect.iscoroutinefunction(endpoint.function.handler)
    return replace(endpoint, call=call_async if is_async else call_sync, per_record=False)


def _refuse_coroutine(result: Any) -> None:
    """A decorator that knows nothing of async functions hides one; what it returns would never run."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("the handler returned a coroutine: what wraps an async function has to be async itself")


def _sent_records(codec: Any, wire: dict[str, Any]) -> Sequence[SentRecord]:
    """The records of an event. Raises EventValidationError if it is no event of the source."""
    records = zip(read_records(codec, wire), codec.wire_records(wire), strict=True)
    return [SentRecord(record, sent, wire) for record, sent in records]


class _Failures:
    """The failed records of one batch, and the keys they block."""

    def __init__(self, codec: Any, *, partial: bool) -> None:
        """``partial`` says that the source takes a response that names them."""
        self._codec = codec
        self._partial = partial
        self._blocked: set[Any] = set()
        self._identifiers: list[Any] = []

    def allow(self, record: Any) -> bool:
        key = _ordering_key(record)
        if key is not None and key in self._blocked:
            self._identifiers.append(self._codec.identifier(record))
            return False
        return True

    def add(self, record: Any, exc: Exception) -> None:
        if not self._partial:
            raise exc
        _log.warning("record %s failed", self._codec.identifier(record), exc_info=exc)
        self._blocked.add(_ordering_key(record))
        self._identifiers.append(self._codec.identifier(record))

    def response(self) -> dict[str, Any]:
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in self._identifiers]}


def _ordering_key(record: Any) -> Any:
    """What orders a record among others: the group of a queue, the partition of a stream; ``None`` if nothing."""
    return record.partition if hasattr(record, "partition") else record.group_id
