"""An app's routes: from a request to its function, and from the outcome to an answer.

This is the hot path: no task, no timer and no header dictionary per request, and the event is built only if the
handler asks for it. Source: API Gateway guide: http-api.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.http import FunctionUrl, HttpApiRoute
from eventflow.model.outcome import Outcome, Succeeded, Throttled
from eventflow.policy.routes import Match
from eventflow.runtime.http.answers import Answer, message
from eventflow.runtime.http.authorizers.gates import Gates
from eventflow.runtime.http.bodies import BodyTooLargeError, head_of, read_body
from eventflow.runtime.http.cross_origin import Sharing
from eventflow.runtime.http.flavours import HttpApi, flavour_of
from eventflow.runtime.http.mistakes import bad_request, clients_mistake
from eventflow.runtime.http.router import Router
from eventflow.runtime.http.streaming import UrlStream
from eventflow.runtime.outliving import Outliving
from eventflow.runtime.request_path import report_failure

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Sequence

    from eventflow.model.cors import Cors
    from eventflow.plan.http_request import HttpRequest
    from eventflow.plan.plan import Plan, RoutePlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.asgi import Header, Receive, Scope
    from eventflow.runtime.http.authorizers.route_gate import RouteGate
    from eventflow.runtime.http.flavours import Flavour
    from eventflow.runtime.http.gate import Gate
    from eventflow.runtime.http.streaming import StreamedAnswer
    from eventflow.runtime.invoker import Entry

_log = logging.getLogger(__name__)

REQUEST_TIMEOUT: Final = message(408, "Request Timeout")
HEAD_TOO_LARGE: Final = HttpApi.head_too_large

_REQUEST_LINE_EXTRAS: Final = len("  HTTP/1.1\r\n")


class _Target(NamedTuple):
    """What answers a route. A ``slow`` function may run longer than a request may wait; one that ``streams`` is a
    generator."""

    function_name: str
    entry: Entry
    flavour: Flavour
    waits_seconds: float
    slow: bool
    streams: bool
    cors: Cors | None
    gate: RouteGate | None


class Routes:
    """Answers requests with the functions of an app."""

    def __init__(self, plan: Plan, functions: Functions, clock: Clock, *, gate: Gate | None = None) -> None:
        """``gate`` tells who may call function URLs whose callers sign: everybody, if ``None``."""
        self._account_id = plan.environment.account_id
        targets = []
        gates = Gates(functions, plan.environment, clock, callers=gate)
        for route in plan.routes:
            function = functions[route.endpoint.function.name]
            waits = route.source.waits_seconds
            slow = function.settings.timeout_seconds > waits
            entry = function.invoker.entry(route.endpoint)
            flavour = flavour_of(route, plan.environment)
            target = _Target(
                function.name,
                entry,
                flavour,
                waits,
                slow,
                route.endpoint.is_stream,
                _cors(route, plan),
                gates.of(route),
            )
            targets.append((route.source, function.name, target))
        self._router: Router[_Target] = Router(targets)
        self._only_api = self._router.only_api
        self._cors = plan.cors
        self._clock = clock
        self._outliving: Outliving[Outcome] = Outliving()

    @property
    def outliving(self) -> frozenset[asyncio.Task[Outcome]]:
        """Slow invocations that run now; a request may have been answered before its own ends."""
        return self._outliving.tasks

    def spells_out(self, path: str) -> bool:
        """Whether some route has this very path, not one that a parameter or ``$default`` stands for."""
        return self._router.spells_out(path)

    def answer(
        self, method: str, path: str, scope: Scope, receive: Receive, request_id: str
    ) -> tuple[Awaitable[Answer | StreamedAnswer], Sequence[Header]]:
        """The answer to one request, and the headers that identify it; ``path`` is still URL-encoded.

        Waiting for the answer raises ClientGoneError if the client left before its request was complete.
        """
        api = self._only_api
        found = self._router.find(method, path, scope) if api is None else api.match(method, path)
        if not isinstance(found, Match):
            flavour = self._router.refused_by(method, path)
            return self._refuse(flavour, method, scope), flavour.identity(request_id)
        target = found.target
        answer = self._answer if target.cors is None else self._answer_page
        return answer(found, method, path, scope, receive, request_id), target.flavour.identity(request_id)

    async def _answer_page(
        self, match: Match[_Target], method: str, path: str, scope: Scope, receive: Receive, request_id: str
    ) -> Answer | StreamedAnswer:
        """The answer where pages of other origins may call."""
        target = match.target
        assert target.cors is not None
        sharing = Sharing(target.cors, method, scope["headers"])
        # An authorizer before everything that is left sees preflights too, as on AWS; IAM does not.
        asked = match.route_key.is_default and target.gate is not None and not target.gate.needs_body
        preflight = None if asked else sharing.preflight()
        return preflight or _shared(await self._answer(match, method, path, scope, receive, request_id), sharing)

    async def _refuse(self, flavour: Flavour, method: str, scope: Scope) -> Answer:
        """The answer where there is no route; an HTTP API's preflights need none."""
        if self._cors is None or not isinstance(flavour, HttpApi):
            return flavour.not_found
        sharing = Sharing(self._cors, method, scope["headers"])
        return sharing.preflight() or flavour.not_found._replace(headers=sharing.headers(flavour.not_found.headers))

    async def _answer(
        self, match: Match[_Target], method: str, path: str, scope: Scope, receive: Receive, request_id: str
    ) -> Answer | StreamedAnswer:
        target = match.target
        flavour = target.flavour
        headers, query = scope["headers"], scope["query_string"]
        header_bytes, declared = head_of(headers)
        if header_bytes + len(method) + len(path) + len(query) + _REQUEST_LINE_EXTRAS > flavour.head_bytes:
            return flavour.head_too_large
        body = b""
        gate = target.gate
        if declared and (gate is None or gate.needs_body):
            try:
                body = await read_body(receive, declared, limit=flavour.body_bytes)
            except BodyTooLargeError:
                return flavour.body_too_large
        client = scope.get("client")
        request = flavour.request(
            method=method,
            path=path,
            query_string=query.decode("latin-1") if query else "",
            headers=headers,
            body=body,
            route_key=match.route_key.text,
            path_parameters=match.path_parameters,
            source_ip=client[0] if client else "",
            protocol="HTTP/" + scope["http_version"],
            request_id=request_id,
            time=self._clock.time(),
            account_id=self._account_id,
        )
        if gate is not None:
            refusal = await gate.admit(request)
            if refusal is not None:
                return refusal
            if not gate.needs_body:
                try:
                    request.body = await read_body(receive, declared, limit=flavour.body_bytes)
                except BodyTooLargeError:
                    return flavour.body_too_large
        if len(request.body) > flavour.measured_bytes:
            refusal = flavour.refusal(request)
            if refusal is not None:
                return refusal
        if target.streams:
            return UrlStream(partial(_invoke, target, request), lambda outcome: _answer(outcome, target, request))
        if target.slow:
            late = await self._outliving.wait(_invoke(target, request), seconds=target.waits_seconds)
            return flavour.gave_up if late is None else _answer(late, target, request)
        outcome = await target.entry.invoke(request, request_id)
        if type(outcome) is Succeeded:
            return _answer_value(outcome.value, target, request)
        _report(outcome, target, request)
        return _answer(outcome, target, request)


def _cors(route: RoutePlan, plan: Plan) -> Cors | None:
    if isinstance(route.source, HttpApiRoute):
        return plan.cors
    return route.source.cors if isinstance(route.source, FunctionUrl) else None


def _shared(answer: Answer | StreamedAnswer, sharing: Sharing) -> Answer | StreamedAnswer:
    if isinstance(answer, Answer):
        return answer._replace(headers=sharing.headers(answer.headers))
    answer.finish_headers = sharing.headers
    return answer


async def _invoke(target: _Target, request: HttpRequest) -> Outcome:
    outcome = await target.entry.invoke(request, request.request_id)
    _report(outcome, target, request)
    return outcome


def _report(outcome: Outcome, target: _Target, request: HttpRequest) -> None:
    if clients_mistake(outcome) is None:
        report_failure(target.function_name, outcome, request.request_id)


def _answer(outcome: Outcome, target: _Target, request: HttpRequest) -> Answer:
    if type(outcome) is Succeeded:
        return _answer_value(outcome.value, target, request)
    if isinstance(outcome, Throttled):
        return target.flavour.throttled
    mistake = clients_mistake(outcome)
    return target.flavour.function_error if mistake is None else bad_request(mistake)


def _answer_value(value: Any, target: _Target, request: HttpRequest) -> Answer:
    try:
        return target.flavour.answer_of(value, request)
    except Exception as exc:  # noqa: BLE001 (the edge of user code: serialising runs the user's classes)
        _log.error(
            "%s returned %s, which is no HTTP response (request %s): %s",
            target.function_name,
            type(value).__name__,
            request.request_id,
            exc,
            extra={"function_name": target.function_name, "function_request_id": request.request_id},
        )
        return target.flavour.no_answer(exc)
