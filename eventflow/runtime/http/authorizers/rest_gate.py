"""Asking an authorizer of a REST API. Source: API Gateway guide: apigateway-use-lambda-authorizer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.authorizers import REST_REQUEST
from eventflow.plan.rest_request import STAGE, RestRequest
from eventflow.policy.authorization import Effect, Verdict, policy_verdict
from eventflow.runtime.http.authorizers.identity import Identity
from eventflow.runtime.http.authorizers.lambda_gate import Failed, LambdaGate, bodiless
from eventflow.runtime.http.authorizers.refusals import REST_ARN_TOO_LONG, REST_DENIED, REST_FAILURE, REST_UNAUTHORIZED

if TYPE_CHECKING:
    from eventflow.model.authorizers import RestAuthorizer
    from eventflow.plan.environment import Environment
    from eventflow.plan.http_request import HttpRequest
    from eventflow.plan.plan import AuthorizerPlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.answers import Answer

MAXIMUM_ARN_BYTES: Final = 1_600


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
            return REST_ARN_TOO_LONG
        started = self._clock.time()
        verdict: Verdict | Failed | None = self.verdicts.get(identity)
        if verdict is None:
            verdict = await self.verdict(
                identity, self._event(request, arn, identity), rest_verdict, request.request_id
            )
        return verdict_answer(verdict, arn, request, self._clock.time() - started)

    def _event(self, request: HttpRequest, arn: str, identity: tuple[str, ...]) -> dict[str, Any]:
        if self._settings.type == "TOKEN":
            return {"type": "TOKEN", "authorizationToken": identity[0], "methodArn": arn}
        return bodiless(RestRequest.of(request)) | {"type": "REQUEST", "methodArn": arn}


def verdict_answer(verdict: Verdict | Failed, arn: str, request: HttpRequest, seconds: float) -> Answer | None:
    """What REST and WebSocket APIs make of a verdict that took so long."""
    if isinstance(verdict, Failed):
        return REST_UNAUTHORIZED if verdict.unauthorized else REST_FAILURE
    effect = verdict.effect(arn)
    if effect is not Effect.ALLOW:
        return REST_DENIED[effect]
    latency = int(seconds * 1000)
    request.authorizer = {
        **verdict.context, "principalId": verdict.principal_id, "integrationLatency": latency,
    }  # fmt: skip
    return None


def rest_verdict(value: Any) -> Verdict:
    """From what authorizers of REST and WebSocket APIs return."""
    return policy_verdict(value, flat_context=True)
