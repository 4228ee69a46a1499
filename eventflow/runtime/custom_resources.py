"""Custom resources: whatever becomes of an invocation, CloudFormation is told, or its stack waits for an hour.

The answer goes to the request's ``ResponseURL`` and not to whoever invoked. A failure that CloudFormation knows of is
over: the invocation has succeeded, and nothing is tried again. Source: CloudFormation guide: custom resources.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic_core import from_json

from eventflow.errors import EventValidationError, UnavailableError
from eventflow.events.cloudformation import CLOUDFORMATION, CustomResource
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, TimedOut
from eventflow.policy.custom_resources import (
    RESPONSE_BYTES,
    failed,
    is_trusted,
    needs_handler,
    response_url_problem,
    succeeded,
)
from eventflow.ports import OutboundRequest
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.failures import function_failed
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventflow.model.context import Context
    from eventflow.model.invocation import Invocation
    from eventflow.model.json import JsonObject
    from eventflow.plan.plan import InvocationHandler
    from eventflow.ports import HttpClient
    from eventflow.runtime.deadlines import Deadlines

_log = logging.getLogger(__name__)

RESERVED_SHARE: Final = 0.2
RESERVED_SECONDS: Final = 5.0
"""Of the timeout, a fifth and at most so much is kept to tell CloudFormation: in Lambda, nothing can be said later."""
TELL_ATTEMPTS: Final = 4
TELL_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.25
"""After a try that failed; doubled each time."""
ANSWER_BYTES: Final = 64 * 1024


class CustomResourceAnswers:
    """Goes around the invocations of one function, outside of the app's middleware."""

    def __init__(
        self, client: HttpClient, trusted: Collection[str], deadlines: Deadlines, timeout_seconds: float
    ) -> None:
        """``trusted`` are hosts that take responses beside CloudFormation's own."""
        self._client = client
        self._trusted = trusted
        self._deadlines = deadlines
        self._timeout_seconds = timeout_seconds

    def around(self, handler: InvocationHandler) -> InvocationHandler:
        async def answered(invocation: Invocation) -> Outcome:
            request = CLOUDFORMATION.opened(invocation.event)
            problem = response_url_problem(request.get("ResponseURL"), request.get("StackId"), self._trusted)
            if problem is not None:
                raise EventValidationError("the ResponseURL", [("", problem)])
            outcome = await self._outcome(handler, invocation) if needs_handler(request) else Succeeded(None)
            if isinstance(outcome, Throttled):
                return outcome
            response = _response(request, outcome)
            _report(invocation, outcome, response)
            await self._tell(request["ResponseURL"], marshal_compact(response))
            return Succeeded(response)

        return answered

    async def _outcome(self, handler: InvocationHandler, invocation: Invocation) -> Outcome:
        """What came of the handler, while there is time left to tell."""
        context = invocation.context
        request_id = context.aws_request_id
        timeout = min(self._timeout_seconds, context.caller_deadline - asyncio.get_running_loop().time())
        in_time = asyncio.timeout(None)
        reserved = min(RESERVED_SHARE * timeout, RESERVED_SECONDS)
        watchdog = Watchdog(self._deadlines, context, reserved, in_time)
        try:
            async with in_time:
                watchdog.look()
                return await handler(invocation)
        except Exception as exc:  # noqa: BLE001 (the edge of user code: middleware)
            if in_time.expired():
                return TimedOut(round(timeout, 2), request_id)
            return function_failed(exc, request_id)
        finally:
            watchdog.close()

    async def _tell(self, url: str, body: bytes) -> None:
        """Raises UnavailableError if CloudFormation cannot be told now; the function runs again for that."""
        where = urlsplit(url).netloc
        # The URL is signed for an empty content type.
        request = OutboundRequest("PUT", url, {"Content-Type": ""}, body)
        for attempt in count(1):
            try:
                response = await self._client.send(
                    request, seconds=TELL_SECONDS, maximum_bytes=ANSWER_BYTES, private=is_trusted(where, self._trusted)
                )
            except UnavailableError as exc:
                problem, may_pass = exc, True
            else:
                if response.status < 300:
                    return
                problem = UnavailableError(where, f"answers {response.status} to the response of a custom resource")
                may_pass = response.status >= 500
            if not may_pass or attempt == TELL_ATTEMPTS:
                raise problem
            await asyncio.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))


class Watchdog:
    """Ends a scope ``reserved`` seconds before the invocation's deadline. The function's own may move: starting a
    worker process is not the handler's time. The caller's, inside Lambda, does not."""

    def __init__(self, deadlines: Deadlines, context: Context, reserved: float, scope: asyncio.Timeout) -> None:
        self._deadlines = deadlines
        self._context = context
        self._reserved = reserved
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """End the scope if it is time, or look again when it may be."""
        watched = self._deadlines.running.get(self._context)
        left = self._reserved
        if watched is not None:
            left = min(watched[0], self._context.caller_deadline) - self._reserved - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self.look)
        else:
            self._scope.reschedule(self._loop.time())

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()


def _report(invocation: Invocation, outcome: Outcome, response: JsonObject) -> None:
    """What is over, and no failure of the invocation any more, is in the log."""
    if isinstance(outcome, FunctionFailed | TimedOut):
        request_id = invocation.context.aws_request_id
        log_failure(_log, invocation.function_name, outcome, "its stack is told", function_request_id=request_id)
    elif response["Status"] == "FAILED":
        _log.error("%s: %s; its stack is told", invocation.function_name, response["Reason"])


def _response(request: JsonObject, outcome: Succeeded | FunctionFailed | TimedOut) -> JsonObject:
    """What CloudFormation is told: of an answer that it would not take, why."""
    if isinstance(outcome, TimedOut):
        return failed(request, f"the handler did not end within its timeout of {outcome.timeout_seconds:g} s")
    if isinstance(outcome, FunctionFailed):
        return failed(request, f"{outcome.error_type}: {outcome.error_message}")
    value = outcome.value
    try:
        resource = CustomResource.model_validate(from_json(value) if isinstance(value, bytes) else value or {})
        response = succeeded(
            request, physical_id=resource.physical_resource_id, data=resource.data, no_echo=resource.no_echo
        )
        size = len(marshal_compact(response))
    except Exception as exc:  # noqa: BLE001 (the edge of user code: data may be of any class)
        return failed(request, f"what the handler returned cannot be sent: {exc}")
    if size > RESPONSE_BYTES:
        return failed(request, f"the response has {size:,} bytes; {RESPONSE_BYTES:,} are allowed: return less data")
    return response
