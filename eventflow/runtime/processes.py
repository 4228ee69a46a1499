"""``isolation="process"``: handlers in worker processes of their own, killed at the timeout.

Parent and worker talk JSON over a pair of pipes; a worker's standard output and error stay its own. Killing is
the only honest timeout for code that blocks, and other processes can use other cores.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import EventValidationError
from eventflow.events import codec_for
from eventflow.model.destinations import Service
from eventflow.model.outcome import FunctionFailed
from eventflow.plan.endpoints import UNKNOWN_IDENTITY
from eventflow.plan.http_request import HttpRequest
from eventflow.runtime.failures import RemoteFailureError, process_exited

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from eventflow.model.context import Context
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.records import SourceIdentity
    from eventflow.plan.endpoint import Endpoint

MAXIMUM_IDLE: Final = os.cpu_count() or 1
"""Workers kept waiting per function; more are started while more events run at once."""
_LENGTH: Final = struct.Struct(">I")


class WorkerProcess:
    """One worker. ``ask`` blocks, so it runs in a thread."""

    def __init__(self, definition: FunctionDefinition) -> None:
        request_read, self._request = os.pipe()
        self._response, response_write = os.pipe()
        handler = definition.handler
        setup = {
            "module": handler.__module__,
            "qualname": handler.__qualname__,
            "path": sys.path,
            "request": request_read,
            "response": response_write,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "eventflow.runtime.worker", json.dumps(setup)],
            stdin=subprocess.DEVNULL,
            pass_fds=(request_read, response_write),
        )
        os.close(request_read)
        os.close(response_write)

    def ask(self, request: bytes) -> bytes | None:
        """The answer to one request; ``None`` if the worker died over it."""
        try:
            write_frame(self._request, request)
        except BrokenPipeError:
            return None
        return read_frame(self._response)

    @property
    def exit_code(self) -> int:
        """How a dead worker ended; negative for a signal."""
        return self._process.wait()

    def kill(self) -> None:
        """End it now. Closing follows when nobody reads any more."""
        self._process.kill()

    def close(self) -> None:
        """Kill it, reap it, and give its pipes back."""
        self._process.kill()
        self._process.wait()
        for descriptor in (self._request, self._response):
            with contextlib.suppress(OSError):
                os.close(descriptor)


class ProcessPool:
    """The workers of one function. As many as run at once, and a few idle ones."""

    def __init__(self, definition: FunctionDefinition, threads: Executor) -> None:
        self._definition = definition
        self._threads = threads
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._closed = False

    async def call(self, endpoint: Endpoint, identity: SourceIdentity | None, subject: Any, context: Context) -> Any:
        """Run the handler in a worker; returns its result, raises RemoteFailureError for what it raised."""
        request = _request(endpoint, identity or UNKNOWN_IDENTITY, subject, context)
        worker = self._idle.pop() if self._idle else WorkerProcess(self._definition)
        self._busy.add(worker)
        loop = asyncio.get_running_loop()
        asking = loop.run_in_executor(self._threads, worker.ask, request)
        try:
            response = await asyncio.shield(asking)
        except asyncio.CancelledError:
            worker.kill()  # the thread sees the pipe close, and gives the worker back
            asking.add_done_callback(lambda _: self._discard(worker))
            raise
        if response is None:
            code = worker.exit_code
            self._discard(worker)
            raise RemoteFailureError(process_exited(code, context.aws_request_id))
        self._give_back(worker)
        return _result(response)

    def _give_back(self, worker: WorkerProcess) -> None:
        self._busy.discard(worker)
        if self._closed or len(self._idle) >= MAXIMUM_IDLE:
            worker.close()
        else:
            self._idle.append(worker)

    def _discard(self, worker: WorkerProcess) -> None:
        self._busy.discard(worker)
        worker.close()

    def close(self) -> None:
        """End every worker. Those still busy are killed; their threads close them."""
        self._closed = True
        for worker in self._busy:
            worker.kill()
        while self._idle:
            self._idle.pop().close()


def _request(endpoint: Endpoint, identity: SourceIdentity, subject: Any, context: Context) -> bytes:
    if isinstance(subject, HttpRequest):
        event = subject.wire()
    elif endpoint.per_record:
        codec: Any = codec_for(Service(endpoint.source))
        event = codec.wire_event([subject], identity)
    else:
        event = subject
    request = {
        "event": event,
        "source": endpoint.source,
        "per_record": endpoint.per_record,
        "identity": {"arn": identity.arn, "region": identity.region, "extras": dict(identity.extras)},
        "remaining_seconds": context.get_remaining_time_in_millis() / 1000,
        "context": {
            "aws_request_id": context.aws_request_id,
            "function_name": context.function_name,
            "function_arn": context.invoked_function_arn,
            "memory_limit_in_mb": context.memory_limit_in_mb,
            "log_group_name": context.log_group_name,
            "log_stream_name": context.log_stream_name,
        },
    }
    return json.dumps(request).encode()


def _result(response: bytes) -> Any:
    answer = json.loads(response)
    if "bytes" in answer:
        return base64.b64decode(answer["bytes"])
    if "error" in answer:
        failed = FunctionFailed(**answer["error"])
        if "invalid" in answer:
            failed.exception = EventValidationError(answer["invalid"]["of"], answer["invalid"]["details"])
        raise RemoteFailureError(failed)
    return answer["value"]


def write_frame(descriptor: int, payload: bytes) -> None:
    """Write one length-prefixed message. Raises BrokenPipeError if nobody reads."""
    data = memoryview(_LENGTH.pack(len(payload)) + payload)
    while data:
        data = data[os.write(descriptor, data) :]


def read_frame(descriptor: int) -> bytes | None:
    """Read one length-prefixed message; ``None`` when the other side is gone."""
    header = _read_exactly(descriptor, _LENGTH.size)
    return None if header is None else _read_exactly(descriptor, _LENGTH.unpack(header)[0])


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    chunks = bytearray()
    while len(chunks) < size:
        chunk = os.read(descriptor, size - len(chunks))
        if not chunk:
            return None
        chunks += chunk
    return bytes(chunks)
