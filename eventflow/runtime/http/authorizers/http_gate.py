"""Asking an authorizer of an HTTP API. Source: API Gateway guide: http-api-lambda-authorizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflow.plan.http_request import HttpRequest
from eventflow.plan.rest_request import HttpV1Request
from eventflow.policy.authorization import Effect, Verdict, policy_verdict, simple_verdict
from eventflow.runtime.http.authorizers.identity import Identity
from eventflow.runtime.http.authorizers.lambda_gate import Failed, LambdaGate, bodiless
from eventflow.runtime.http.authorizers.refusals import FORBIDDEN, UNAUTHORIZED
from eventflow.runtime.http.flavours import HttpApi

if TYPE_CHECKING:
    from eventflow.model.authorizers import HttpAuthorizer
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import AuthorizerPlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.answers import Answer


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
        verdict: Verdict | Failed | None = self.verdicts.get(identity)
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
            wire = bodiless(HttpV1Request.of(request))
            return wire | {"type": "REQUEST", "methodArn": arn, "identitySource": joined, "authorizationToken": joined}
        wire = bodiless(HttpRequest.of(request))
        return wire | {"type": "REQUEST", "routeArn": arn, "identitySource": list(identity)}
