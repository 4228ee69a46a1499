"""One call of one function: permit, context, deadline, handler, outcome. The hot path.

Everything here is an integer, a dictionary entry or a plain call: no task, timer or lock per invocation.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio import CancelledError, current_task
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from functools import partial
from inspect import isawaitable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from anyio.lowlevel import checkpoint_if_cancelled

from eventflow.model.context import Caller, Context, FunctionEnvironment
from eventflow.model.invocation import Invocation
from eventflow.model.outcome import Outcome, Succeeded, Throttled, TimedOut
from eventflow.runtime.cancellation import forget_cancellation, is_stopping
from eventflow.runtime.deadlines import Deadlines
from eventflow.runtime.failures import RemoteFailureError, function_failed
from eventflow.runtime.processes import ProcessPool
from eventflow.runtime.response_streams import stream, stream_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from concurrent.futures import Executor

    from eventflow.model.function import FunctionDefinition
    from eventflow.model.records import SourceIdentity
    from eventflow.plan.endpoint import Call, Endpoint
    from eventflow.plan.plan import InvocationHandler, Middleware
    from eventflow.runtime.admission import Slice
    from eventflow.runtime.metrics import InvocationFigures, Metrics

_log = logging.getLogger(__name__)

current_context: Final[ContextVar[Context | None]] = ContextVar("eventflow_current_context", default=None)
"""The context of the invocation that runs here; log records take their request id from it."""

if sys.version_info >= (3, 12):
    _task_of = asyncio.current_task
else:
    _task_of = vars(asyncio.tasks)["_current_tasks"].get  # which current_task asks, in Python until then
_NOTHING: Final = Succeeded(None)
"""What most asynchronous and polled handlers return: one outcome serves them all."""

HandlerCall: TypeAlias = "Callable[[Any, Context], Awaitable[Any]]"
"""Calls the handler with the subject of a call and the context, wherever it runs."""

Observer: TypeAlias = Callable[[Invocation, Outcome, float], None]
"""Told of every invocation that ended, its outcome and when it started (loop time)."""


Answers: TypeAlias = "Callable[[Invoker], Middleware]"
"""Makes what tells a caller of every outcome."""
NO_ANSWERS: Final[Mapping[str, Answers]] = MappingProxyType({})


class Invoker:
    """Calls one function. Made once per function and run; shared by all of its sources."""

    def __init__(
        self,
        definition: FunctionDefinition,
        environment: FunctionEnvironment,
        *,
        permits: Slice,
        metrics: Metrics,
        threads: Executor,
        middleware: Sequence[Middleware] = (),
        observer: Observer | None = None,
        answers: Mapping[str, Answers] = NO_ANSWERS,
    ) -> None:
        """``answers`` are by source: what goes around the middleware where the caller is told some other way than by
        the outcome."""
        self.definition = definition
        self.environment = environment
        self.permits = permits
        self.loop = asyncio.get_running_loop()
        self.timeout_seconds = definition.settings.timeout_seconds
        self.deadlines = Deadlines(self.loop)
        self.metrics = metrics
        self.middleware = tuple(middleware)
        self.observer = observer
        self._answers = answers
        self._threads = threads
        isolated = definition.settings.isolation == "process"
        self._processes = ProcessPool(definition, threads, self.deadlines) if isolated else None

    def entry(self, endpoint: Endpoint, identity: SourceIdentity | None = None) -> Entry:
        """A way to invoke the function through one of its endpoints. ``identity`` is the open source's."""
        make = self._answers.get(endpoint.source)
        answers = None if make is None else make(self)
        if self._processes is not None:
            return Entry(self, partial(self._processes.call, endpoint, identity), endpoint.source, answers)
        call: HandlerCall
        if endpoint.is_stream:
            in_thread = partial(stream_in_thread, self.loop, self._threads, endpoint.call)
            call = partial(stream, endpoint.call) if endpoint.is_async else in_thread
        else:
            call = endpoint.call if endpoint.is_async else partial(self._call_in_thread, endpoint.call)
        return Entry(self, call, endpoint.source, answers)

    async def _call_in_thread(self, call: Call, subject: Any, context: Context) -> Any:
        running = _ThreadCall(call, subject, context)
        try:
            result = await self.loop.run_in_executor(self._threads, copy_context().run, running)
        except CancelledError:
            if running.begun and not running.ended:
                _log.warning(
                    "%s was stopped, but its thread goes on: a thread cannot be stopped, isolation='process' can",
                    self.definition.name,
                )
            raise
        # A decorator that knows nothing of async functions hides one.
        return await result if isawaitable(result) else result

    def close(self) -> None:
        """Stop watching deadlines, and end worker processes."""
        self.deadlines.close()
        if self._processes is not None:
            self._processes.close()


async def invoke_here(entry: Entry, subject: Any, request_id: str | None = None) -> Outcome:
    """Invoke on a task of the runtime's own, which only the runtime's cancel scopes cancel: then a handler that
    cancels the task it runs on has exited, and nothing else comes of it."""
    try:
        return await entry.invoke(subject, request_id)
    except CancelledError as exc:
        if is_stopping():
            raise
        forget_cancellation()
        return function_failed(exc, request_id or entry.invoker.environment.next_request_id())


class _ThreadCall:
    """A call of a handler, on its way through a thread."""

    __slots__ = ("_call", "_context", "_subject", "begun", "ended")

    def __init__(self, call: Call, subject: Any, context: Context) -> None:
        self._call = call
        self._subject = subject
        self._context = context
        self.begun = False
        self.ended = False

    def __call__(self) -> Any:
        self.begun = True
        try:
            return self._call(self._subject, self._context)
        except (StopIteration, GeneratorExit, KeyboardInterrupt) as exc:
            # No future can carry the first. The others are the handler's own: nobody closes a thread, and the keyboard
            # interrupts the main one.
            raise RemoteFailureError(function_failed(exc, self._context.aws_request_id)) from exc
        finally:
            self.ended = True


class Entry:
    """One endpoint of one function, ready to be called."""

    __slots__ = ("_call", "_chain", "figures", "invoker", "source")

    def __init__(self, invoker: Invoker, call: HandlerCall, source: str, answers: Middleware | None = None) -> None:
        self.invoker = invoker
        self.source = source
        self.figures: InvocationFigures = invoker.metrics.of(invoker.definition.name, source)
        self._call = call
        layers = invoker.middleware if answers is None else (answers, *invoker.middleware)
        self._chain = _chain(call, invoker, layers) if layers else None

    async def invoke(self, subject: Any, request_id: str | None = None, caller: Caller | None = None) -> Outcome:
        """Run the handler once, now, if a permit is free.

        Never raises for what the handler does. Cancelling it cancels the handler, and is not an outcome.
        """
        invoker = self.invoker
        permits = invoker.permits
        figures = self.figures
        if not permits.enter():
            figures.throttled += 1
            return Throttled(permits.reason)
        loop, deadlines = invoker.loop, invoker.deadlines
        started = loop.time()
        deadline = started + invoker.timeout_seconds
        context = Context(invoker.environment, deadline, request_id, caller)
        task = _task_of(loop)
        assert task is not None
        cancelled = task.cancelling()
        deadlines.running[context] = (deadline, task)
        if deadlines.timer is None:
            deadlines.arm(deadline)
        token = current_context.set(context)
        outcome: Outcome
        try:
            if self._chain is None:
                result = await self._call(subject, context)
                outcome = _NOTHING if result is None else Succeeded(result)
            else:
                outcome = await self._chain(Invocation(invoker.definition.name, self.source, subject, context))
        except BaseException as exc:
            ended = await self._ended(exc, context, task, cancelled)
            if ended is None:
                raise
            outcome = ended
        else:
            if deadlines.running.pop(context, None) is None:  # the handler swallowed the cancellation
                outcome = await self._stopped(context, task, cancelled)
        finally:
            current_context.reset(token)
            permits.leave()
        if type(outcome) is Succeeded:
            figures.succeeded += 1
            figures.observe(loop.time() - started)
        else:
            self._count(outcome, loop.time() - started)
        if invoker.observer is not None:
            invoker.observer(Invocation(invoker.definition.name, self.source, subject, context), outcome, started)
        return outcome

    async def _ended(
        self, exc: BaseException, context: Context, task: asyncio.Task[Any], cancelled: int
    ) -> Outcome | None:
        """What a call that raised came to; ``None`` if that is no outcome, and ``exc`` concerns everybody.

        ``cancelled`` are the cancellations of ``task`` that were pending before the call.
        """
        in_time = self.invoker.deadlines.unwatch(context)
        if _concerns_everybody(exc, task):
            return None
        if not in_time:
            return await self._stopped(context, task, cancelled)
        if isinstance(exc, CancelledError):
            # The handler's own, which ends a Lambda process; or somebody else's.
            return None if task.cancelling() > cancelled else function_failed(exc, context.aws_request_id)
        if is_stopping():  # the handler's last words on being cancelled
            await checkpoint_if_cancelled()
        return function_failed(exc, context.aws_request_id)

    async def _stopped(self, context: Context, task: asyncio.Task[Any], cancelled: int) -> TimedOut:
        """The deadline passed. Its cancellation ends here; one from outside in the same turn does not."""
        if task.uncancel() > cancelled:
            if is_stopping():
                await checkpoint_if_cancelled()
            raise CancelledError
        return TimedOut(self.invoker.timeout_seconds, context.aws_request_id)

    def _count(self, outcome: Outcome, seconds: float) -> None:
        figures = self.figures
        if type(outcome) is Throttled:  # by middleware
            figures.throttled += 1
            return
        figures.observe(seconds)
        if type(outcome) is TimedOut:
            figures.timed_out += 1
        else:
            figures.failed += 1


def _chain(call: HandlerCall, invoker: Invoker, layers: Sequence[Middleware]) -> InvocationHandler:
    """The handler inside its middleware, first one outermost. All of it shares one deadline."""

    async def innermost(invocation: Invocation) -> Outcome:
        request_id = invocation.context.aws_request_id
        task = current_task()
        try:
            return Succeeded(await call(invocation.event, invocation.context))
        except CancelledError as exc:
            if not invoker.deadlines.watches(invocation.context):
                return TimedOut(invoker.timeout_seconds, request_id)
            if _is_cancelled():
                raise
            return function_failed(exc, request_id)
        except BaseException as exc:
            if _concerns_everybody(exc, task):
                raise
            return function_failed(exc, request_id)

    handler: InvocationHandler = innermost
    for layer in reversed(layers):
        handler = layer(handler)

    async def outermost(invocation: Invocation) -> Outcome:
        outcome: object = await handler(invocation)
        if not isinstance(outcome, Outcome):
            name, returned = invocation.function_name, None if outcome is None else type(outcome).__name__
            raise TypeError(f"middleware of {name} returned {returned}; it has to return an outcome")
        return outcome

    return outermost


def _concerns_everybody(exc: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Whether ``exc`` came over a handler on ``task`` from outside, and no outcome may hide it.

    What closes a coroutine does so while its task does not run; a handler may raise the same by itself.
    """
    if isinstance(exc, GeneratorExit):
        return task is None or asyncio.current_task(task.get_loop()) is not task
    return isinstance(exc, KeyboardInterrupt)


def _is_cancelled() -> bool:
    task = current_task()
    return is_stopping() or (task is not None and task.cancelling() > 0)
