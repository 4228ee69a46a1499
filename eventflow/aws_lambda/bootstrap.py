"""The handler that Lambda calls.

The file is called like that of Lambda's Python runtime on purpose: the runtime leaves frames of a ``bootstrap.py`` out
of the stack traces that it records, so that they begin with the user's own code.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from eventflow.aws_lambda.answers import encoded
from eventflow.aws_lambda.contexts import caller_of, environment_of
from eventflow.aws_lambda.dispatch import Dispatcher
from eventflow.aws_lambda.lifetime import Lifetime
from eventflow.aws_lambda.streams import CollectedStream
from eventflow.errors import ConfigurationError, EventflowError, Problem
from eventflow.model.outcome import FunctionFailed, Succeeded, ThrottleReason, TimedOut
from eventflow.runtime.admission import Slice
from eventflow.runtime.functions import answers_of, whole_endpoint
from eventflow.runtime.invoker import Entry, Invoker
from eventflow.runtime.metrics import Metrics
from eventflow.runtime.response_streams import response_sink
from eventflow.runtime.threads import HandlerThreads

if TYPE_CHECKING:
    from types import FrameType

    from eventflow.model.context import Caller
    from eventflow.model.outcome import Outcome
    from eventflow.plan.endpoint import Endpoint
    from eventflow.plan.plan import Plan
    from eventflow.ports import HttpClient

_log = logging.getLogger(__name__)

AT_ONCE: Final = 1_000
"""More than Lambda ever has one execution environment do: admission is Lambda's, not ours."""


class LambdaHandler:
    """Calls the functions of a plan as Lambda calls a handler: ``handler(event, context)``.

    One event loop runs them all, for as long as the execution environment lives: what the lifespan opened, and what
    handlers keep, stays usable. It stands still between invocations, as all of the environment does. ``def`` handlers
    run in a thread beside it, as everywhere.
    """

    def __init__(self, plan: Plan, *, function_name: str | None = None, http: HttpClient | None = None) -> None:
        """``function_name`` is the function that every event is for; without it the event tells. ``http`` is what
        CloudFormation is told with, the standard library's unless given.

        Raises ConfigurationError if the plan has no such function.
        """
        if function_name is not None and function_name not in plan.functions:
            message, hint = f"there is no function {function_name!r}", "known: " + ", ".join(plan.functions)
            raise ConfigurationError([Problem(where="EVENTFLOW_FUNCTION", message=message, hint=hint)])
        names = [function_name] if function_name is not None else list(plan.functions)
        self._plan = plan
        self._dispatcher = Dispatcher(plan, names)
        self._loop = asyncio.new_event_loop()  # entering uvloop's, once per event, costs more than it gives
        self._lifetime = Lifetime(plan.lifespan, self._loop)
        self._threads = HandlerThreads(AT_ONCE)
        self._metrics = Metrics()
        self._answers = answers_of(plan, http)
        self._invokers: dict[str, Invoker] = {}
        self._entries: dict[int, Entry] = {}
        self._sigterm_before: Any = None

    def start(self) -> None:
        """Enter the app's lifespan, unless it is entered. Raises what it raises, also if it has ended by itself: the
        next call starts anew."""
        if self._lifetime.start():
            self._close_invokers()  # they hold what it yielded before

    def stop(self) -> None:
        """Leave the app's lifespan and end everything. No event can be handled after that."""
        self._lifetime.stop()
        self._close_invokers()
        self._threads.shutdown()
        self._loop.close()

    def stop_at_sigterm(self) -> None:
        """Leave the app's lifespan when Lambda ends the execution environment. It says so (with SIGTERM) only to
        functions with an extension; others just end."""
        if threading.current_thread() is threading.main_thread():
            self._sigterm_before = signal.signal(signal.SIGTERM, self._on_sigterm)

    def __call__(self, event: Any, context: Any) -> Any:
        """Handle one event: returns what Lambda's runtime can write as JSON, raises what the function raised."""
        try:
            self.start()
            endpoint, subject = self._dispatcher.find(event)
        except EventflowError as exc:
            raise exc.with_traceback(None) from None
        if endpoint is None:
            return subject
        entry = self._entries.get(id(endpoint)) or self._entry(endpoint, context)
        caller = caller_of(context, self._loop)
        collected = CollectedStream() if endpoint.is_stream else None
        outcome = self._run(entry, subject, context.aws_request_id, caller, collected)
        answer = encoded(outcome, endpoint.source, subject)
        if type(answer) is Succeeded:
            return answer.value
        raise _error(answer)

    def _run(
        self, entry: Entry, subject: Any, request_id: str, caller: Caller, collected: CollectedStream | None
    ) -> Outcome:
        """Let the loop run until the invocation has ended, and not one turn longer."""
        loop = self._loop

        async def run() -> Outcome:
            try:
                if collected is None:
                    return await entry.invoke(subject, request_id, caller)
                response_sink.set(collected.take)
                return collected.outcome(await entry.invoke(subject, request_id, caller), entry.source)
            finally:
                loop.stop()

        task = loop.create_task(run())
        while not task.done():  # a handler may stop the loop, too
            loop.run_forever()
        return task.result()

    def _entry(self, endpoint: Endpoint, context: Any) -> Entry:
        """An entry is made for the first event that needs it, and kept: the plan, and so the endpoint, lives as long
        as this does."""

        async def make() -> Entry:  # an invoker belongs to the loop that it is made on
            name = endpoint.function.name
            invoker = self._invokers.get(name)
            if invoker is None:
                invoker = self._invokers[name] = Invoker(
                    endpoint.function,
                    environment_of(context, state=self._lifetime.state, clock=self._loop.time),
                    permits=Slice(AT_ONCE, ThrottleReason.ACCOUNT),
                    metrics=self._metrics,
                    threads=self._threads,
                    middleware=self._plan.middleware,
                    answers=self._answers,
                )
            return invoker.entry(whole_endpoint(endpoint))

        entry = self._entries[id(endpoint)] = self._loop.run_until_complete(make())
        return entry

    def _close_invokers(self) -> None:
        for invoker in self._invokers.values():
            invoker.close()
        self._invokers.clear()
        self._entries.clear()

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if not self._loop.is_running():  # in the middle of an invocation there is no time left to wait for it
            self.stop()
        if callable(self._sigterm_before):
            self._sigterm_before(number, frame)
        sys.exit(0)


def _error(outcome: Outcome) -> BaseException:
    """What to raise so that Lambda records a failure under its own name, with its message and its stack trace."""
    if isinstance(outcome, FunctionFailed):
        if outcome.exception is not None and type(outcome.exception).__name__ == outcome.error_type:
            return outcome.exception
        if outcome.exception is not None and outcome.platform:  # sys.exit(): ends the process, and Lambda says so
            return outcome.exception
        if outcome.stack_trace:  # of another process
            _log.error("%s failed there:\n%s", outcome.error_type, "".join(outcome.stack_trace))
        return _named(outcome.error_type, outcome.error_message)
    if isinstance(outcome, TimedOut):
        body = outcome.body()
        return _named(body["errorType"], body["errorMessage"])
    return _named("Throttled", "middleware refused the invocation")


def _named(error_type: str, message: str) -> Exception:
    """An exception of a class of this name, which is what Lambda records."""
    named: type[Exception] = type(error_type, (Exception,), {})
    return named(message)
