"""Asking authorizers before functions. Source: API Gateway guide: http-api-lambda-authorizer,
http-api-jwt-authorizer, apigateway-use-lambda-authorizer."""

from __future__ import annotations

import json
import logging
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from eventflow.model.authorizers import (
    HTTP_REQUEST,
    REST_REQUEST,
    HttpAuthorizer,
    JwtAuthorizer,
    RestAuthorizer,
    WebSocketAuthorizer,
)
from eventflow.model.http import HttpApiRoute
from eventflow.model.outcome import FunctionFailed, Succeeded
from eventflow.plan.http_request import API_ID, HttpRequest
from eventflow.plan.rest_request import STAGE, HttpV1Request, RestRequest
from eventflow.policy.authorization import (
    Effect,
    IdentitySource,
    Verdict,
    claims_as_text,
    policy_verdict,
    scopes_of,
    simple_verdict,
)
from eventflow.runtime.http.answers import Answer, message
from eventflow.runtime.http.flavours import HttpApi, gateway_response
from eventflow.runtime.marshal import marshal
from eventflow.runtime.request_path import report_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import AuthorizerPlan, RoutePlan, WebSocketPlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.jwt_keys import Keys

_log = logging.getLogger(__name__)

MAXIMUM_KEPT: Final = 10_000
"""Answers that an authorizer's cache holds; the oldest goes first."""
MAXIMUM_ARN_BYTES: Final = 1_600

UNAUTHORIZED: Final = message(401, "Unauthorized")
FORBIDDEN: Final = message(403, "Forbidden")

REST_UNAUTHORIZED: Final = gateway_response(401, "Unauthorized", "UnauthorizedException")
_REST_FAILURE: Final = gateway_response(500, "Internal server error", "AuthorizerConfigurationException")
_REST_ARN_TOO_LONG: Final = gateway_response(414, "Request URI too long", "RequestUriTooLongException")
_NOT_AUTHORIZED: Final = "User is not authorized to access this resource"
_REST_DENIED: Final = {
    Effect.DENY: gateway_response(403, f"{_NOT_AUTHORIZED} with an explicit deny", "AccessDeniedException"),
    Effect.NOTHING: gateway_response(403, _NOT_AUTHORIZED, "AccessDeniedException"),
}


def refusals(route: RoutePlan) -> tuple[Answer, ...]:
    """Everything that the gate of a route may answer; nothing if it has none."""
    if route.authorizer is None:
        return ()
    if isinstance(route.authorizer, JwtAuthorizer):
        has_scopes = isinstance(route.source, HttpApiRoute) and route.source.scopes
        return (UNAUTHORIZED, FORBIDDEN) if has_scopes else (UNAUTHORIZED,)
    if isinstance(route.authorizer.settings, RestAuthorizer):
        return (REST_UNAUTHORIZED, _REST_FAILURE, _REST_ARN_TOO_LONG, *_REST_DENIED.values())
    return (UNAUTHORIZED, FORBIDDEN, HttpApi.function_error)


class Gate(ABC):
    """Stands in front of a route. One that ``needs_body`` looks at whole requests; to the others, the body of a
    request that may not go on is nobody's business."""

    needs_body: ClassVar[bool] = False

    @abstractmethod
    async def admit(self, request: HttpRequest) -> Answer | None:
        """``None`` for a request that may go on, with what its event says of that; the answer to any other."""


class Identity:
    """Reads the identity sources of an authorizer."""

    def __init__(self, sources: Sequence[str], *, request: str = HTTP_REQUEST) -> None:
        self._sources = [IdentitySource.parse(source, request=request) for source in sources]

    def of(self, request: HttpRequest) -> tuple[str, ...] | None:
        """The values, in order; ``None`` if one is missing or empty."""
        values = [_value(source, request) for source in self._sources]
        return tuple(value for value in values if value) if all(values) else None


def _value(source: IdentitySource, request: HttpRequest) -> str | None:
    if source.place == "header":
        name = source.name.encode()
        return ",".join(value.decode("latin-1") for key, value in request.headers if key == name)
    if source.place == "querystring":
        values = (HttpV1Request.of(request).wire())["queryStringParameters"]
        return values.get(source.name) if values else None
    context = {
        "httpMethod": request.method,
        "identity.sourceIp": request.source_ip,
        "path": request.path,
        "routeKey": request.route_key,
        "stage": request.stage,
    }
    return context[source.name]


class _Cache:
    """Verdicts by identity, for a while."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[tuple[str, ...], tuple[float, Verdict]] = OrderedDict()

    def get(self, identity: tuple[str, ...]) -> Verdict | None:
        expires, verdict = self._kept.get(identity, (0.0, None))
        if verdict is not None and expires <= self._clock.time():
            del self._kept[identity]
            return None
        return verdict

    def keep(self, identity: tuple[str, ...], verdict: Verdict) -> None:
        if not self._seconds or not identity:
            return
        self._kept[identity] = (self._clock.time() + self._seconds, verdict)
        self._kept.move_to_end(identity)
        if len(self._kept) > MAXIMUM_KEPT:
            self._kept.popitem(last=False)


class Failed(NamedTuple):
    """The authorizer decided nothing. ``unauthorized`` if it said so by an error."""

    unauthorized: bool = False


class LambdaGate(Gate):
    """Asks a function. Shared by all routes that name it."""

    def __init__(self, plan: AuthorizerPlan, functions: Functions, environment: Environment, clock: Clock) -> None:
        self._name = plan.endpoint.function.name
        self._entry = functions[self._name].invoker.entry(plan.endpoint)
        self.arn = f"arn:aws:execute-api:{environment.region}:{environment.account_id}:{API_ID}"
        self._cache = _Cache(plan.settings.result_ttl_seconds, clock)

    async def verdict(
        self, identity: tuple[str, ...], event: dict[str, Any], read: Callable[[Any], Verdict], request_id: str
    ) -> Verdict | Failed:
        """What the function says of an identity, read with ``read``."""
        outcome = await self._entry.invoke(event, request_id)
        if not isinstance(outcome, Succeeded):
            report_failure(self._name, outcome, request_id)
            return Failed(isinstance(outcome, FunctionFailed) and outcome.error_message == "Unauthorized")
        try:
            verdict = read(json.loads(marshal(outcome.value)))
        except Exception as exc:  # noqa: BLE001 (the edge of user code: models run some while they are written)
            _log.error("%s decided nothing (request %s): %s", self._name, request_id, exc)
            return Failed()
        self._cache.keep(identity, verdict)
        return verdict


class HttpGate(LambdaGate):
    """Asks for an HTTP API."""

    def __init__(
        self,
        plan: AuthorizerPlan,
        settings: HttpAuthorizer,
        functions: Functions,
        environment: Environment,
        clock: Clock,
    ) -> None:
        super().__init__(plan, functions, environment, clock)
        self._settings = settings
        self._identity = Identity(settings.identity_sources)

    async def admit(self, request: HttpRequest) -> Answer | None:
        identity = self._identity.of(request)
        if identity is None:
            return UNAUTHORIZED
        arn = f"{self.arn}/$default/{request.method}/{request.path.lstrip('/')}"
        verdict: Verdict | Failed | None = self._cache.get(identity)
        if verdict is None:
            event = self._event(request, arn, identity)
            verdict = await self.verdict(identity, event, self._read, request.request_id)
        if isinstance(verdict, Failed):
            return HttpApi.function_error
        if verdict.effect(arn) is not Effect.ALLOW:
            return FORBIDDEN
        if isinstance(request, HttpV1Request):
            principal = {} if verdict.principal_id is None else {"principalId": verdict.principal_id}
            request.authorizer = {**principal, **(verdict.context if isinstance(verdict.context, dict) else {})}
        else:
            request.authorizer = {"lambda": verdict.context}
        return None

    def _read(self, value: Any) -> Verdict:
        simple = self._settings.enable_simple_responses
        return simple_verdict(value) if simple else policy_verdict(value, flat_context=False)

    def _event(self, request: HttpRequest, arn: str, identity: tuple[str, ...]) -> dict[str, Any]:
        if self._settings.payload_format_version == "1.0":
            joined = ",".join(identity)
            wire = _bodiless(HttpV1Request.of(request))
            return wire | {"type": "REQUEST", "methodArn": arn, "identitySource": joined, "authorizationToken": joined}
        wire = _bodiless(HttpRequest.of(request))
        return wire | {"type": "REQUEST", "routeArn": arn, "identitySource": list(identity)}


class RestGate(LambdaGate):
    """Asks for a REST API."""

    def __init__(
        self,
        plan: AuthorizerPlan,
        settings: RestAuthorizer,
        functions: Functions,
        environment: Environment,
        clock: Clock,
    ) -> None:
        super().__init__(plan, functions, environment, clock)
        self._settings = settings
        self._identity = Identity(settings.identity_sources, request=REST_REQUEST)
        expression = settings.identity_validation_expression
        self._valid = None if expression is None else re.compile(expression)
        self._clock = clock

    async def admit(self, request: HttpRequest) -> Answer | None:
        identity = self._identity.of(request)
        if identity is None or (self._valid is not None and not self._valid.fullmatch(identity[0])):
            return REST_UNAUTHORIZED
        arn = f"{self.arn}/{STAGE}/{request.method}/{request.path.lstrip('/')}"
        if len(arn) > MAXIMUM_ARN_BYTES:
            return _REST_ARN_TOO_LONG
        started = self._clock.time()
        verdict: Verdict | Failed | None = self._cache.get(identity)
        if verdict is None:
            verdict = await self.verdict(
                identity, self._event(request, arn, identity), rest_verdict, request.request_id
            )
        return verdict_answer(verdict, arn, request, self._clock.time() - started)

    def _event(self, request: HttpRequest, arn: str, identity: tuple[str, ...]) -> dict[str, Any]:
        if self._settings.type == "TOKEN":
            return {"type": "TOKEN", "authorizationToken": identity[0], "methodArn": arn}
        return _bodiless(RestRequest.of(request)) | {"type": "REQUEST", "methodArn": arn}


def verdict_answer(verdict: Verdict | Failed, arn: str, request: HttpRequest, seconds: float) -> Answer | None:
    """What REST and WebSocket APIs make of a verdict that took so long."""
    if isinstance(verdict, Failed):
        return REST_UNAUTHORIZED if verdict.unauthorized else _REST_FAILURE
    effect = verdict.effect(arn)
    if effect is not Effect.ALLOW:
        return _REST_DENIED[effect]
    latency = int(seconds * 1000)
    request.authorizer = {
        **verdict.context, "principalId": verdict.principal_id, "integrationLatency": latency,
    }  # fmt: skip
    return None


def rest_verdict(value: Any) -> Verdict:
    """From what authorizers of REST and WebSocket APIs return."""
    return policy_verdict(value, flat_context=True)


def _bodiless(request: HttpRequest) -> dict[str, Any]:
    wire = request.wire()
    return {name: value for name, value in wire.items() if name not in ("body", "isBase64Encoded")}


class JwtGate(Gate):
    """Checks tokens for an HTTP API."""

    def __init__(self, authorizer: JwtAuthorizer, scopes: tuple[str, ...], keys: Keys, clock: Clock) -> None:
        self._identity = Identity([authorizer.identity_source])
        self._authorizer = authorizer
        self._scopes = scopes
        self._keys = keys
        self._clock = clock

    async def admit(self, request: HttpRequest) -> Answer | None:
        from eventflow.runtime.http.jwt_keys import InvalidTokenError, claims_of

        identity = self._identity.of(request)
        if identity is None:
            return _challenge(UNAUTHORIZED, "Bearer")
        scheme, _, rest = identity[0].partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else identity[0]
        try:
            claims = await claims_of(token, self._authorizer, self._keys, now=self._clock.time())
        except InvalidTokenError as exc:
            return self._refused(UNAUTHORIZED, "invalid_token", str(exc))
        scopes = scopes_of(claims)
        if self._scopes and not set(self._scopes) & set(scopes):
            return self._refused(FORBIDDEN, "insufficient_scope", "the token has none of the scopes")
        granted = scopes if self._scopes else None
        found = {"claims": claims_as_text(claims), "scopes": granted}
        request.authorizer = found if isinstance(request, HttpV1Request) else {"jwt": found}
        return None

    def _refused(self, answer: Answer, error: str, description: str) -> Answer:
        scope = " ".join(self._scopes)
        return _challenge(answer, f'Bearer scope="{scope}" error="{error}" error_description="{description}"')


def _challenge(answer: Answer, value: str) -> Answer:
    return answer._replace(headers=(*answer.headers, (b"www-authenticate", value.encode("latin-1", "replace"))))


class Gates:
    """The gates of a run: one per function or token authorizer, so that routes share what is kept."""

    def __init__(self, functions: Functions, environment: Environment, clock: Clock) -> None:
        self._functions = functions
        self._environment = environment
        self._clock = clock
        self._lambdas: dict[tuple[str, object], Gate] = {}
        self._keys: dict[str, Keys] = {}

    def of(self, route: RoutePlan | WebSocketPlan) -> Gate | None:
        """The gate of a route, if it has one."""
        authorizer = route.authorizer
        if authorizer is None:
            return None
        if isinstance(authorizer, JwtAuthorizer):
            from eventflow.runtime.http.jwt_keys import Keys  # its libraries are an extra

            keys = self._keys.setdefault(authorizer.issuer, Keys(authorizer.issuer))
            scopes = route.source.scopes if isinstance(route.source, HttpApiRoute) else ()
            return JwtGate(authorizer, scopes, keys, self._clock)
        key = (authorizer.endpoint.function.name, authorizer.settings)
        if key not in self._lambdas:
            self._lambdas[key] = self._lambda_gate(authorizer)
        return self._lambdas[key]

    def _lambda_gate(self, plan: AuthorizerPlan) -> Gate:
        settings = plan.settings
        if isinstance(settings, HttpAuthorizer):
            return HttpGate(plan, settings, self._functions, self._environment, self._clock)
        if isinstance(settings, WebSocketAuthorizer):
            from eventflow.runtime.http.websocket_gate import WebSocketGate  # few apps have connections

            return WebSocketGate(plan, settings, self._functions, self._environment, self._clock)
        return RestGate(plan, settings, self._functions, self._environment, self._clock)
