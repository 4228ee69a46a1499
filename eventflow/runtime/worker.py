"""Inside a worker process of ``isolation="process"``: reads requests, calls the handler, writes answers."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from contextvars import copy_context
from functools import cache, partial, reduce
from importlib import import_module
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from eventflow.errors import EventValidationError
from eventflow.events import codec_for
from eventflow.model.context import Caller, Client, ClientContext, Context, FunctionEnvironment, Identity
from eventflow.model.destinations import HTTP_SERVICES, Service
from eventflow.model.function import FunctionDefinition, FunctionSettings
from eventflow.model.records import SourceIdentity
from eventflow.plan.endpoints import direct_endpoint, trigger_endpoint
from eventflow.plan.http_request import HttpRequest
from eventflow.plan.record_batches import batch_endpoint
from eventflow.runtime.failures import function_failed, marshal_failed
from eventflow.runtime.frames import ANSWER, LOG, PRINTED, READY, read_frame, write_frame
from eventflow.runtime.marshal import marshal
from eventflow.runtime.printing import print_whole_lines, watched
from eventflow.runtime.worker_logs import Forwarder
from eventflow.triggers._marks import marks_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.model.outcome import FunctionFailed
    from eventflow.plan.endpoint import Endpoint


class Worker:
    """One handler, called again and again on one event loop."""

    def __init__(self, definition: FunctionDefinition, printed: Callable[[str], None]) -> None:
        """``printed`` takes what a watched invocation prints."""
        self._definition = definition
        self._printed = printed
        self._runner = asyncio.Runner()
        self._endpoint = cache(self._find_endpoint)

    def answer(self, request: dict[str, Any]) -> bytes:
        """Call the handler for one request. ``SystemExit`` is left to end the process."""
        request_id = request["context"]["aws_request_id"]
        try:
            with watched(self._printed) if request["watched"] else nullcontext():
                value = self._call(request)
        except Exception as exc:  # noqa: BLE001 (the edge of user code: errors become answers)
            return _failed(function_failed(exc, request_id))
        if isinstance(value, bytes):
            return json.dumps({"bytes": base64.b64encode(value).decode()}).encode()
        try:
            return b'{"value": ' + marshal(value) + b"}"
        except Exception as exc:  # noqa: BLE001 (the edge of user code: models run some while they are written)
            return _failed(marshal_failed(exc, request_id))

    def _call(self, request: dict[str, Any]) -> Any:
        endpoint = self._endpoint(request["trigger"], request["per_record"], json.dumps(request["identity"]))
        result = endpoint.call(_subject(endpoint, request["event"]), _context(request))
        return self._runner.run(_awaited(result), context=copy_context()) if inspect.isawaitable(result) else result

    def _find_endpoint(self, trigger: int | None, per_record: bool, identity: str) -> Endpoint:
        """The endpoint of a trigger, by its number; ``identity`` is the open source's, as JSON text."""
        if trigger is None:
            endpoint, problems = direct_endpoint(self._definition)
        else:
            source = SourceIdentity(**json.loads(identity))
            endpoint, problems = trigger_endpoint(self._definition, self._definition.triggers[trigger], source)
        if endpoint is None:
            raise RuntimeError("; ".join(map(str, problems)))
        return batch_endpoint(endpoint) if endpoint.per_record and not per_record else endpoint


async def _awaited(result: Any) -> Any:
    return await result


def _subject(endpoint: Endpoint, event: Any) -> Any:
    if endpoint.per_record:
        codec: Any = codec_for(Service(endpoint.source))
        return codec.records(event)[0]
    if endpoint.source in HTTP_SERVICES and isinstance(event, dict):
        return HttpRequest.from_wire(event)
    return event


def _context(request: dict[str, Any]) -> Context:
    values = dict(request["context"])
    request_id = values.pop("aws_request_id")
    environment = FunctionEnvironment(**values, clock=time.monotonic, next_request_id=lambda: request_id)
    caller = Caller(
        client_context=_client_context(request["client_context"]),
        tenant_id=request["tenant_id"],
        identity=Identity(**request["cognito_identity"]),
    )
    return Context(environment, time.monotonic() + request["remaining_seconds"], request_id, caller)


def _client_context(fields: dict[str, Any] | None) -> ClientContext | None:
    if fields is None:
        return None
    client = fields["client"]
    return ClientContext(**{**fields, "client": client and Client(**client)})


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


class Pipes:
    """The worker's end of the pipes. Any thread may write; frames stay whole."""

    def __init__(self, request: int, response: int) -> None:
        self._request = request
        self._response = response
        self._lock = threading.Lock()
        self._requests: SimpleQueue[bytes] = SimpleQueue()
        for descriptor in (request, response):
            os.set_inheritable(descriptor, False)

    def write(self, kind: bytes, payload: bytes = b"") -> None:
        """Send one message to the parent."""
        with self._lock:
            write_frame(self._response, kind + payload)

    def read(self) -> bytes:
        """The next request."""
        return self._requests.get()

    def listen(self) -> None:
        """Read requests until the parent is gone; then nobody waits for an answer, and the process ends."""
        while (request := read_frame(self._request)) is not None:
            self._requests.put(request)
        os._exit(0)


def _import_handler(setup: dict[str, Any]) -> FunctionDefinition:
    sys.path[:] = setup["path"]
    handler = reduce(getattr, setup["qualname"].split("."), import_module(setup["module"]))
    marks = marks_of(handler)
    return FunctionDefinition(
        name=setup["qualname"],
        handler=handler,  # type: ignore[arg-type]
        settings=FunctionSettings(),
        triggers=tuple(marks.triggers) if marks else (),
    )


def _leave_stopping_to_the_parent() -> None:
    """It lets handlers finish, and kills when there is no more time. Handlers of ours are not inherited by what a
    handler starts, as ignoring the signals would be."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def main() -> None:
    """Serve requests until the parent is gone."""
    setup = json.loads(sys.argv[1])
    pipes = Pipes(setup["request"], setup["response"])
    _leave_stopping_to_the_parent()
    print_whole_lines()
    logging.basicConfig(level=setup["log_level"], handlers=[Forwarder(partial(pipes.write, LOG))], force=True)
    threading.Thread(target=pipes.listen, name="eventflow-requests", daemon=True).start()
    worker = Worker(_import_handler(setup), lambda text: pipes.write(PRINTED, text.encode(errors="replace")))
    pipes.write(READY)
    while True:
        pipes.write(ANSWER, worker.answer(json.loads(pipes.read())))


if __name__ == "__main__":
    main()
