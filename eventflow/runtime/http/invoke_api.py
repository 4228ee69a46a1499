"""Lambda's Invoke API, for an unmodified SDK whose endpoint points here.

Source: Lambda API: Invoke, InvokeAsync; Lambda guide: invocation-sync.
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, assert_never
from urllib.parse import parse_qs, unquote

from eventflow.errors import (
    AdapterError,
    InvocationError,
    RequestTooLargeError,
    ServiceError,
    SignatureError,
    ThrottledError,
)
from eventflow.model import limits
from eventflow.model.context import Caller
from eventflow.model.invocation import InvocationType
from eventflow.model.outcome import Succeeded, Throttled
from eventflow.runtime.http.answers import JSON, Answer
from eventflow.runtime.http.bodies import BodyTooLargeError, head_of, read_body
from eventflow.runtime.http.function_names import LATEST, ParameterError, function_reference
from eventflow.runtime.http.invoke_headers import InvokeHeaders
from eventflow.runtime.http.log_tail import LogTails
from eventflow.runtime.http.streaming import EventStream
from eventflow.runtime.request_path import Invoked, decode, invoke, invoke_decoded, too_large_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventflow.model.outcome import Outcome
    from eventflow.plan.environment import Environment
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions, RunningFunction
    from eventflow.runtime.http.asgi import Header, Receive, Scope
    from eventflow.runtime.http.streaming import StreamedAnswer

T = TypeVar("T")

_log = logging.getLogger(__name__)

INVOKE: Final = "/2015-03-31/functions/"
INVOKE_ASYNC: Final = "/2014-11-13/functions/"
INVOKE_STREAM: Final = "/2021-11-15/functions/"
PREFIXES: Final = (INVOKE, INVOKE_ASYNC, INVOKE_STREAM)

_ACTIONS: Final = {
    INVOKE: "invocations", INVOKE_ASYNC: "invoke-async", INVOKE_STREAM: "response-streaming-invocations",
}  # fmt: skip
_RETRY_AFTER_SECONDS: Final = 1
_VERSION: Final = (b"x-amz-executed-version", LATEST.encode())
_UNHANDLED: Final = (b"x-amz-function-error", b"Unhandled")
_RAW: Final = (b"content-type", b"application/unknown")


class Accept(Protocol):
    """Takes an asynchronous invocation: :meth:`eventflow.runtime.event_path.EventPath.accept`."""

    async def __call__(self, function_name: str, payload: bytes) -> str:
        """The request id of the event, which is durable now. Raises InvocationError or AdapterError."""


class UnknownOperationError(InvocationError):
    """A path of the Lambda API that is not served here."""

    code, status, message_key = "UnknownOperationException", 404, "Message"


class MethodNotAllowedError(InvocationError):
    """An operation called with another method than its own."""

    code, status, message_key = "MethodNotAllowedException", 405, "Message"


class InvokeApi:
    """Serves Invoke, InvokeWithResponseStream and the older InvokeAsync."""

    def __init__(
        self,
        environment: Environment,
        functions: Functions,
        accept: Accept,
        clock: Clock,
    ) -> None:
        self._environment = environment
        self._functions = functions
        self._accept = accept
        self._clock = clock
        self._tails = LogTails()

    async def answer(
        self, path: str, scope: Scope, receive: Receive, request_id: str
    ) -> tuple[Answer | StreamedAnswer, Header]:
        """The answer to one request, and the header with its request id: the event's, if one was accepted.

        ``path`` is still URL-encoded. Raises ClientGoneError if the client left before its request was complete.
        """
        answer: Answer | StreamedAnswer
        try:
            request_id, answer = await self._answer(path, scope, receive, request_id)
        except InvocationError as exc:
            answer = error_answer(exc)
        return answer, (b"x-amzn-requestid", request_id.encode())

    async def _answer(
        self, path: str, scope: Scope, receive: Receive, request_id: str
    ) -> tuple[str, Answer | StreamedAnswer]:
        prefix = next(prefix for prefix in PREFIXES if path.startswith(prefix))
        name, _, action = path.removeprefix(prefix).partition("/")
        if action != _ACTIONS[prefix]:
            raise UnknownOperationError(f"{scope['method']} {path} is not an operation that is served here.")
        if scope["method"] != "POST":
            raise MethodNotAllowedError(f"{action} is called with POST, not {scope['method']}.")
        headers = InvokeHeaders.read(scope["headers"])
        function, caller = self._meant(unquote(name), _qualifier(scope), headers)
        payload = await read_payload(scope, receive)
        if prefix == INVOKE_ASYNC:
            return await self._accept_event(function, payload), Answer(202, (JSON,), b'{"Status":202}')
        match headers.invocation_type:
            case InvocationType.EVENT if prefix == INVOKE_STREAM:
                allowed = "satisfy enum value set: [RequestResponse, DryRun]"
                raise ParameterError("invocationType", headers.invocation_type, allowed)
            case InvocationType.EVENT:
                return await self._accept_event(function, payload), Answer(202, ())
            case InvocationType.DRY_RUN:
                decode(payload)
                return request_id, Answer(204, ())
            case InvocationType.REQUEST_RESPONSE if prefix == INVOKE_STREAM:
                return request_id, self._stream(function, payload, caller, request_id, wants_log=headers.wants_log)
            case InvocationType.REQUEST_RESPONSE if headers.wants_log:
                return request_id, await self._invoke_with_log(function, payload, caller, request_id)
            case InvocationType.REQUEST_RESPONSE:
                return request_id, _response(await invoke(function, payload, caller, request_id=request_id))
            case _:
                assert_never(headers.invocation_type)

    def _meant(self, text: str, qualifier: str | None, headers: InvokeHeaders) -> tuple[RunningFunction, Caller]:
        region, account_id = self._environment.region, self._environment.account_id
        reference = function_reference(text, qualifier, region=region, account_id=account_id)
        function = self._functions.find(reference.name)
        caller = Caller(
            client_context=headers.client_context,
            invoked_function_arn=function.qualified_arn if reference.qualifier else None,
            tenant_id=headers.tenant_id,
        )
        return function, caller

    async def _accept_event(self, function: RunningFunction, payload: bytes) -> str:
        try:
            return await self._accept(function.name, payload)
        except AdapterError as exc:
            _log.warning("an event for %s could not be stored: %s", function.name, exc)
            raise ServiceError(f"The event could not be stored: {exc}") from exc

    def _stream(
        self, function: RunningFunction, payload: bytes, caller: Caller, request_id: str, *, wants_log: bool
    ) -> EventStream:
        wire = decode(payload)
        log: list[bytes] = []

        async def run() -> Outcome:
            call = partial(invoke_decoded, function, wire, caller, request_id=request_id)
            if not wants_log:
                return await call()
            outcome, tail = await self._with_log(function, request_id, call, lambda outcome: outcome)
            log.append(tail)
            return outcome

        return EventStream(
            run,
            request_id=request_id,
            version=_VERSION,
            throttled=lambda outcome: error_answer(ThrottledError(outcome.reason)),
            log_result=lambda: log[0].decode() if log else None,
        )

    async def _invoke_with_log(
        self, function: RunningFunction, payload: bytes, caller: Caller, request_id: str
    ) -> Answer:
        call = partial(invoke, function, payload, caller, request_id=request_id)
        invoked, log = await self._with_log(function, request_id, call, lambda invoked: invoked.response.outcome)
        answer = _response(invoked)
        return answer._replace(headers=(*answer.headers, (b"x-amz-log-result", log)))

    async def _with_log(
        self,
        function: RunningFunction,
        request_id: str,
        call: Callable[[], Awaitable[T]],
        outcome_of: Callable[[T], Outcome],
    ) -> tuple[T, bytes]:
        """What ``call`` gives, and the tail of the log it wrote."""
        loop = asyncio.get_running_loop()
        with self._tails.watch(request_id) as tail:
            started = loop.time()
            result = await call()
            seconds = loop.time() - started
        tail.finish(
            outcome_of(result),
            seconds=seconds,
            memory_limit_mb=function.settings.memory_limit_mb,
            now=self._clock.time(),
        )
        return result, tail.header()


def _response(invoked: Invoked) -> Answer:
    """Status 200 also when the function failed: the header tells."""
    outcome, body = invoked.response
    if isinstance(outcome, Throttled):
        raise ThrottledError(outcome.reason)
    assert body is not None  # only a throttle has none
    if not isinstance(outcome, Succeeded):
        return Answer(200, (JSON, _VERSION, _UNHANDLED), body)
    return Answer(200, (_RAW if isinstance(outcome.value, bytes) else JSON, _VERSION), body)


def _qualifier(scope: Scope) -> str | None:
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("Qualifier", [None])[-1] if query else None


async def read_payload(scope: Scope, receive: Receive) -> bytes:
    """Raises RequestTooLargeError; ClientGoneError if the client left before the end."""
    _, declared = head_of(scope["headers"])
    try:
        return await read_body(receive, declared, limit=limits.SYNCHRONOUS_REQUEST_BYTES)
    except BodyTooLargeError:
        raise RequestTooLargeError(too_large_text()) from None


def error_answer(exc: InvocationError) -> Answer:
    """An API error as SDKs parse it: the name in a header, the key of the message as the API spells it."""
    body = {"Type": exc.type, exc.message_key: str(exc)}
    headers = [JSON, (b"x-amzn-errortype", exc.code.encode())]
    if isinstance(exc, ParameterError | SignatureError):
        del body["Type"]
    if isinstance(exc, ThrottledError):
        body = {"Reason": exc.reason, **body}
        headers.append((b"retry-after", b"%d" % _RETRY_AFTER_SECONDS))
    if isinstance(exc, MethodNotAllowedError):
        headers.append((b"allow", b"POST"))
    return Answer(exc.status, headers, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
