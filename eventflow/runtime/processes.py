"""``isolation="process"``: handlers in worker processes of their own, killed at the timeout.

Parent and worker talk JSON over a pair of pipes. What a handler logs becomes the parent's log; what it prints goes
where the parent's goes, and to the parent as well if the invocation is watched. Killing is the only honest timeout
for code that blocks, and other processes can use other cores.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import deque
from contextvars import copy_context
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TypeVar

from eventflow.errors import EventValidationError
from eventflow.events import codec_for
from eventflow.model.destinations import Service
from eventflow.model.outcome import FunctionFailed
from eventflow.plan.batch_event import BatchEvent
from eventflow.plan.http_request import HttpRequest
from eventflow.plan.shapes import UNKNOWN_IDENTITY
from eventflow.runtime.failures import RemoteFailureError, process_exited
from eventflow.runtime.printing import watcher
from eventflow.runtime.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from eventflow.model.context import Context
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.records import SourceIdentity
    from eventflow.plan.endpoint import Endpoint
    from eventflow.runtime.deadlines import Deadlines

T = TypeVar("T")

MAXIMUM_WORKERS: Final = max(32, 4 * (os.cpu_count() or 1))
"""Of one function. Each is an interpreter of its own; events beyond that wait, and their time has not begun."""
STARTING_WORKERS: Final = os.cpu_count() or 1
"""Of one function at once. Starting takes a processor: many together would all be late."""
START_SECONDS: Final = 10.0
"""How long starting a worker is not the handler's time. Source: Lambda guide: lambda-runtime-environment."""
IDLE_SECONDS: Final = 60.0
"""How long a worker without work is kept."""


class ProcessPool:
    """The workers of one function: as many as run at once, up to ``maximum``; idle ones are used again."""

    def __init__(
        self,
        definition: FunctionDefinition,
        threads: Executor,
        deadlines: Deadlines,
        *,
        maximum: int = MAXIMUM_WORKERS,
    ) -> None:
        self._definition = definition
        self._timeout_seconds = definition.settings.timeout_seconds
        self._threads = threads
        self._deadlines = deadlines
        self._loop = asyncio.get_running_loop()
        self._maximum = maximum
        self._starting = 0
        self._busy: set[WorkerProcess] = set()
        self._idle: deque[tuple[float, WorkerProcess]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._retiring: asyncio.TimerHandle | None = None
        self._closed = False

    async def call(self, endpoint: Endpoint, identity: SourceIdentity | None, subject: Any, context: Context) -> Any:
        """Run the handler in a worker; returns its result, raises RemoteFailureError for what it raised."""
        request = _request(endpoint, identity or UNKNOWN_IDENTITY, subject, context, self._timeout_seconds)
        worker = await self._take(context)
        response = await self._finished(worker, self._in_thread(worker.ask, request))
        if response is None:
            raise self._died(worker, context)
        self._give_back(worker)
        return _result(response)

    async def _take(self, context: Context) -> WorkerProcess:
        """An idle worker, or a new one when there may be one more."""
        with self._deadlines.suspended(context, self._timeout_seconds):
            while (worker := self._take_idle()) is None:
                if self._starting < STARTING_WORKERS and len(self._busy) < self._maximum:
                    break
                await self._turn()
        return worker or await self._start(context)

    def _take_idle(self) -> WorkerProcess | None:
        while self._idle:
            _, worker = self._idle.pop()
            if worker.is_alive:
                self._busy.add(worker)
                return worker
            worker.close()
        return None

    async def _start(self, context: Context) -> WorkerProcess:
        worker = WorkerProcess(self._definition)
        self._busy.add(worker)
        self._starting += 1
        try:
            starting = self._in_thread(worker.start)
            with self._deadlines.suspended(context, self._timeout_seconds):
                await self._wait(worker, starting, seconds=START_SECONDS)
            started = await self._finished(worker, starting)
        finally:
            self._starting -= 1
            self._wake_one()
        if not started:
            raise self._died(worker, context)
        return worker

    async def _turn(self) -> None:
        """Wait until a worker is free, or may be started."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():
                self._wake_one()  # pass the turn on
            raise

    def _wake_one(self) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return

    def _in_thread(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Its log records belong to the invocation."""
        return self._loop.run_in_executor(self._threads, copy_context().run, function, *arguments)

    async def _finished(self, worker: WorkerProcess, work: asyncio.Future[T]) -> T:
        await self._wait(worker, work)
        try:
            return work.result()
        except BaseException:
            self._bury(worker)
            raise

    async def _wait(self, worker: WorkerProcess, work: asyncio.Future[Any], *, seconds: float | None = None) -> None:
        """Wait for what a worker does in a thread; being cancelled is its end."""
        try:
            await asyncio.wait([work], timeout=seconds)
        except asyncio.CancelledError:
            self._bury(worker)
            raise

    def _died(self, worker: WorkerProcess, context: Context) -> RemoteFailureError:
        failed = process_exited(worker.exit_code, context.aws_request_id)
        self._bury(worker)
        return RemoteFailureError(failed)

    def _bury(self, worker: WorkerProcess) -> None:
        self._busy.discard(worker)
        worker.close()
        self._wake_one()

    def _give_back(self, worker: WorkerProcess) -> None:
        if self._closed:
            self._bury(worker)
            return
        self._busy.discard(worker)
        self._idle.append((self._loop.time(), worker))
        self._wake_one()
        if self._retiring is None:
            self._retiring = self._loop.call_later(IDLE_SECONDS, self._retire)

    def _retire(self) -> None:
        """End the workers that were idle for long; the longest idle one is the first."""
        while self._idle and self._idle[0][0] + IDLE_SECONDS <= self._loop.time():
            self._idle.popleft()[1].close()
        self._retiring = None
        if self._idle:
            self._retiring = self._loop.call_at(self._idle[0][0] + IDLE_SECONDS, self._retire)

    def close(self) -> None:
        """End every worker. Those still busy are killed, and closed by their threads."""
        self._closed = True
        if self._retiring is not None:
            self._retiring.cancel()
        for worker in self._busy:
            worker.close()
        while self._idle:
            self._idle.pop()[1].close()


def _request(
    endpoint: Endpoint, identity: SourceIdentity, subject: Any, context: Context, remaining_seconds: float
) -> bytes:
    if isinstance(subject, HttpRequest | BatchEvent):
        event = subject.wire()
    elif endpoint.per_record:
        codec: Any = codec_for(Service(endpoint.source))
        event = codec.wire_event([subject], identity)
    else:
        event = subject
    request = {
        "event": event,
        "trigger": endpoint.trigger and endpoint.function.triggers.index(endpoint.trigger),
        "per_record": endpoint.per_record,
        "identity": {"arn": identity.arn, "region": identity.region, "extras": dict(identity.extras)},
        "remaining_seconds": remaining_seconds,
        "watched": watcher.get() is not None,
        "client_context": context.client_context and asdict(context.client_context),
        "tenant_id": context.tenant_id,
        "cognito_identity": asdict(context.identity),
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
