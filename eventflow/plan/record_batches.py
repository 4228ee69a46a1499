"""A per-record handler behind a whole event: inside Lambda, and through the Invoke API."""

from __future__ import annotations

import inspect
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eventflow.events import codec_for
from eventflow.events._wire import source_identity
from eventflow.plan.endpoints import opened_endpoint
from eventflow.plan.shapes import read_records

if TYPE_CHECKING:
    from eventflow.model.context import Context
    from eventflow.model.records import SourceIdentity
    from eventflow.plan.endpoint import Call, Endpoint


_log = logging.getLogger(__name__)


def batch_endpoint(endpoint: Endpoint) -> Endpoint:
    """An endpoint that takes a batch's wire event, calls the per-record handler for each record in order, and
    returns Lambda's partial batch response.

    After a failure, later records with the same ordering key are not tried and fail too. A source that knows no
    partial responses (message queues) gets the error instead: it delivers the whole batch again.
    """
    if endpoint.trigger is None:
        raise ValueError(f"{endpoint.function.name} has no source, so it has no records")
    codec: Any = codec_for(endpoint.trigger.service)
    call_for = _CallFor(endpoint)
    partial = endpoint.trigger.partial_responses

    async def call_async(wire: dict[str, Any], context: Context) -> dict[str, Any]:
        failures = _Failures(codec, partial=partial)
        records, call = read_records(codec, wire), call_for(wire)
        for record in records:
            if failures.allow(record):
                try:
                    await call(record, context)
                except Exception as exc:  # noqa: BLE001 (the edge of user code: an error fails its record)
                    failures.add(record, exc)
        return failures.response()

    def call_sync(wire: dict[str, Any], context: Context) -> dict[str, Any]:
        failures = _Failures(codec, partial=partial)
        records, call = read_records(codec, wire), call_for(wire)
        for record in records:
            if failures.allow(record):
                try:
                    _refuse_coroutine(call(record, context))
                except Exception as exc:  # noqa: BLE001 (the edge of user code: an error fails its record)
                    failures.add(record, exc)
        return failures.response()

    is_async = inspect.iscoroutinefunction(endpoint.function.handler)
    return replace(endpoint, call=call_async if is_async else call_sync, per_record=False)


class _CallFor:
    """Calls a handler with records whose models name the source that their event names."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._identity: SourceIdentity | None = None
        self._call = endpoint.call

    def __call__(self, wire: dict[str, Any]) -> Call:
        identity = source_identity(wire)
        if identity != self._identity:  # hardly ever: a function's events come from one source
            self._call = opened_endpoint(self._endpoint, identity).call
            self._identity = identity
        return self._call


def _refuse_coroutine(result: Any) -> None:
    """A decorator that knows nothing of async functions hides one; what it returns would never run."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("the handler returned a coroutine: what wraps an async function has to be async itself")


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
