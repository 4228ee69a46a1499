"""An app's routes: from a request to its function, and from the outcome to an answer.

This is the hot path: no task, no timer and no header dictionary per request, and the event is built only if the
handler asks for it. Source: API Gateway guide: http-api.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model import limits
from eventflow.model.outcome import Outcome, Succeeded, Throttled
from eventflow.plan.http_request import HttpRequest
from eventflow.policy.routes import METHODS, Match, RouteTable, parse_route_key
from eventflow.runtime.http.answers import Answer, message
from eventflow.runtime.http.bodies import BodyTooLargeError, head_of, read_body
from eventflow.runtime.http.mistakes import bad_request, clients_mistake
from eventflow.runtime.http.results import answer_of
from eventflow.runtime.marshal import marshal_compact
from eventflow.runtime.request_path import report_failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.plan.plan import RoutePlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.asgi import Receive, Scope
    from eventflow.runtime.invoker import Entry

_log = logging.getLogger(__name__)

NOT_FOUND: Final = message(404, "Not Found")
REQUEST_TIMEOUT: Final = message(408, "Request Timeout")
BODY_TOO_LARGE: Final = message(413, "Request Entity Too Large")
HEAD_TOO_LARGE: Final = message(431, "Request Header Fields Too Large")
TOO_MANY_REQUESTS: Final = message(429, "Too Many Requests")
FUNCTION_ERROR: Final = message(500, "Internal Server Error")
SERVICE_UNAVAILABLE: Final = message(503, "Service Unavailable")

_REQUEST_LINE_EXTRAS: Final = len("  HTTP/1.1\r\n")
_MEASURED_BODY_BYTES: Final = (limits.SYNCHRONOUS_REQUEST_BYTES - 2 * limits.HTTP_HEADER_BYTES) // 6
"""A smaller body fits Lambda's request limit in any case: as JSON, no byte takes more than six."""


class _Target(NamedTuple):
    """What answers a route. A ``slow`` function may run longer than a request may wait."""

    function_name: str
    entry: Entry
    slow: bool


class Routes:
    """Answers requests with the functions of an app."""

    def __init__(self, routes: Iterable[RoutePlan], functions: Functions, clock: Clock) -> None:
        targets = []
        for route in routes:
            function = functions[route.endpoint.function.name]
            slow = function.settings.timeout_seconds > limits.HTTP_INTEGRATION_SECONDS
            target = _Target(function.name, function.invoker.entry(route.endpoint), slow)
            targets.append((parse_route_key(route.route_key), target))
        self._table: RouteTable[_Target] = RouteTable(targets)
        self._clock = clock
        self._outliving: set[asyncio.Task[Outcome]] = set()

    @property
    def outliving(self) -> frozenset[asyncio.Task[Outcome]]:
        """Slow invocations that run now; a request may have been answered before its own ends."""
        return frozenset(self._outliving)

    def spells_out(self, path: str) -> bool:
        """Whether some route has this very path, not one that a parameter or ``$default`` stands for."""
        found = [self._table.match(method, path) for method in METHODS]
        keys = [match.route_key for match in found if isinstance(match, Match)]
        return any(not key.parameters and not key.is_default for key in keys)

    async def answer(self, method: str, path: str, scope: Scope, receive: Receive, request_id: str) -> Answer:
        """The answer to one request; ``path`` is still URL-encoded.

        Raises ClientGoneError if the client left before its request was complete.
        """
        headers, query = scope["headers"], scope["query_string"]
        header_bytes, declared = head_of(headers)
        if header_bytes + len(method) + len(path) + len(query) + _REQUEST_LINE_EXTRAS > limits.HTTP_HEADER_BYTES:
            return HEAD_TOO_LARGE
        match = self._table.match(method, path)
        if not isinstance(match, Match):  # another method's path too: HTTP APIs know no 405
            return NOT_FOUND
        try:
            body = await read_body(receive, declared, limit=limits.HTTP_BODY_BYTES) if declared else b""
        except BodyTooLargeError:
            return BODY_TOO_LARGE
        client = scope.get("client")
        request = HttpRequest(
            method=method,
            path=path,
            query_string=query.decode("latin-1"),
            headers=headers,
            body=body,
            route_key=match.route_key.text,
            path_parameters=match.path_parameters,
            source_ip=client[0] if client else "",
            protocol="HTTP/" + scope["http_version"],
            request_id=request_id,
            time=self._clock.time(),
        )
        if len(body) > _MEASURED_BODY_BYTES and len(marshal_compact(request.wire())) > limits.SYNCHRONOUS_REQUEST_BYTES:
            return BODY_TOO_LARGE
        target = match.target
        outcome = await self._invoke_slow(target, request) if target.slow else await _invoke(target, request)
        return SERVICE_UNAVAILABLE if outcome is None else _answer(outcome, target.function_name, request_id)

    async def _invoke_slow(self, target: _Target, request: HttpRequest) -> Outcome | None:
        """Wait as long as a request may; ``None`` if the function goes on after that."""
        task = asyncio.get_running_loop().create_task(_invoke(target, request))
        self._outliving.add(task)
        task.add_done_callback(self._outliving.discard)
        done, _ = await asyncio.wait({task}, timeout=limits.HTTP_INTEGRATION_SECONDS)
        return task.result() if done else None


async def _invoke(target: _Target, request: HttpRequest) -> Outcome:
    outcome = await target.entry.invoke(request, request.request_id)
    if type(outcome) is not Succeeded and clients_mistake(outcome) is None:
        report_failure(target.function_name, outcome, request.request_id)
    return outcome


def _answer(outcome: Outcome, function_name: str, request_id: str) -> Answer:
    if type(outcome) is Succeeded:
        return _answer_value(outcome.value, function_name, request_id)
    if isinstance(outcome, Throttled):
        return TOO_MANY_REQUESTS
    mistake = clients_mistake(outcome)
    return FUNCTION_ERROR if mistake is None else bad_request(mistake)


def _answer_value(value: Any, function_name: str, request_id: str) -> Answer:
    try:
        return answer_of(value)
    except Exception as exc:  # noqa: BLE001 (the edge of user code: serialising runs the user's classes)
        _log.error(
            "%s returned %s, which is no HTTP response (request %s): %s",
            function_name,
            type(value).__name__,
            request_id,
            exc,
            extra={"function_name": function_name, "function_request_id": request_id},
        )
        return FUNCTION_ERROR
