"""The worker process of ``isolation="process"``: reads requests, calls the handler, writes answers."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
import sys
import time
from functools import cache, reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any

from eventflow.errors import EventValidationError
from eventflow.events import codec_for
from eventflow.model.context import Context, FunctionEnvironment
from eventflow.model.destinations import Service
from eventflow.model.function import FunctionDefinition, FunctionSettings
from eventflow.model.records import SourceIdentity
from eventflow.plan.endpoints import DIRECT, direct_endpoint, trigger_endpoint
from eventflow.plan.http_request import HttpRequest
from eventflow.plan.record_batches import batch_endpoint
from eventflow.runtime.failures import function_failed, marshal_failed
from eventflow.runtime.marshal import marshal
from eventflow.runtime.processes import read_frame, write_frame
from eventflow.triggers._marks import marks_of

if TYPE_CHECKING:
    from eventflow.model.outcome import FunctionFailed
    from eventflow.plan.endpoint import Endpoint


class Worker:
    """One handler, called again and again on one event loop."""

    def __init__(self, definition: FunctionDefinition) -> None:
        self._definition = definition
        self._runner = asyncio.Runner()
        self._endpoint = cache(self._find_endpoint)

    def answer(self, request: dict[str, Any]) -> bytes:
        """Call the handler for one request. ``SystemExit`` is left to end the process."""
        request_id = request["context"]["aws_request_id"]
        try:
            value = self._call(request)
        except Exception as exc:  # noqa: BLE001 (the edge of user code: errors become answers)
            return _failed(function_failed(exc, request_id))
        if isinstance(value, bytes):
            return json.dumps({"bytes": base64.b64encode(value).decode()}).encode()
        try:
            return b'{"value": ' + marshal(value) + b"}"
        except (TypeError, ValueError, RecursionError) as exc:
            return _failed(marshal_failed(exc, request_id))

    def _call(self, request: dict[str, Any]) -> Any:
        identity = SourceIdentity(**request["identity"])
        endpoint = self._endpoint(request["source"], request["per_record"], identity.arn, identity.region)
        result = endpoint.call(_subject(endpoint, request["event"]), _context(request))
        return self._runner.run(_awaited(result)) if inspect.isawaitable(result) else result

    def _find_endpoint(self, source: str, per_record: bool, arn: str, region: str) -> Endpoint:
        if source == DIRECT:
            endpoint, problems = direct_endpoint(self._definition)
        else:
            trigger = next(item for item in self._definition.triggers if item.service == source)
            identity = SourceIdentity(arn=arn, region=region, extras={})
            endpoint, problems = trigger_endpoint(self._definition, trigger, identity)
        if endpoint is None:
            raise RuntimeError("; ".join(map(str, problems)))
        return batch_endpoint(endpoint) if endpoint.per_record and not per_record else endpoint


async def _awaited(result: Any) -> Any:
    return await result


def _subject(endpoint: Endpoint, event: Any) -> Any:
    if endpoint.per_record:
        codec: Any = codec_for(Service(endpoint.source))
        return codec.records(event)[0]
    if endpoint.source == Service.HTTP and isinstance(event, dict):
        return HttpRequest.from_wire(event)
    return event


def _context(request: dict[str, Any]) -> Context:
    values = dict(request["context"])
    request_id = values.pop("aws_request_id")
    environment = FunctionEnvironment(**values, clock=time.monotonic, next_request_id=lambda: request_id)
    return Context(environment, time.monotonic() + request["remaining_seconds"], request_id)


def _failed(failed: FunctionFailed) -> bytes:
    answer: dict[str, Any] = {
        "error": {
            "error_type": failed.error_type,
            "error_message": failed.error_message,
            "stack_trace": failed.stack_trace,
            "request_id": failed.request_id,
        }
    }
    if isinstance(failed.exception, EventValidationError):
        answer["invalid"] = {"of": failed.exception.of, "details": failed.exception.details}
    return json.dumps(answer).encode()


def main() -> None:
    """Serve requests until the parent closes the pipe."""
    setup = json.loads(sys.argv[1])
    sys.path[:] = setup["path"]
    handler = reduce(getattr, setup["qualname"].split("."), import_module(setup["module"]))
    marks = marks_of(handler)
    definition = FunctionDefinition(
        name=setup["qualname"],
        handler=handler,  # type: ignore[arg-type]
        settings=FunctionSettings(),
        triggers=tuple(marks.triggers) if marks else (),
    )
    worker = Worker(definition)
    while (request := read_frame(setup["request"])) is not None:
        write_frame(setup["response"], worker.answer(json.loads(request)))
    os.close(setup["response"])


if __name__ == "__main__":
    main()
