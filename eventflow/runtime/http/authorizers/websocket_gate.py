"""Asking an authorizer about connections. Source: API Gateway guide: apigateway-websocket-api-lambda-auth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.model.authorizers import WEBSOCKET_REQUEST
from eventflow.plan.websocket_events import Handshake
from eventflow.runtime.http.authorizers.identity import Identity
from eventflow.runtime.http.authorizers.lambda_gate import LambdaGate
from eventflow.runtime.http.authorizers.refusals import REST_UNAUTHORIZED
from eventflow.runtime.http.authorizers.rest_gate import rest_verdict, verdict_answer

if TYPE_CHECKING:
    from eventflow.model.authorizers import WebSocketAuthorizer
    from eventflow.plan.environment import Environment
    from eventflow.plan.http_request import HttpRequest
    from eventflow.plan.plan import AuthorizerPlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.answers import Answer


class WebSocketGate(LambdaGate):
    """Asks for a WebSocket API, before a connection is made."""

    def __init__(
        self,
        plan: AuthorizerPlan,
        settings: WebSocketAuthorizer,
        functions: Functions,
        environment: Environment,
        clock: Clock,
    ) -> None:
        super().__init__(plan, functions, environment, clock)
        self._identity = Identity(settings.identity_sources, request=WEBSOCKET_REQUEST)
        self._clock = clock

    async def admit(self, request: HttpRequest) -> Answer | None:
        assert isinstance(request, Handshake)
        identity = self._identity.of(request)
        if identity is None:
            return REST_UNAUTHORIZED
        arn = f"{self.arn}/{request.stage}/{request.route_key}"
        started = self._clock.time()
        verdict = await self.verdict(identity, request.authorizer_event(arn), rest_verdict, request.request_id)
        return verdict_answer(verdict, arn, request, self._clock.time() - started)
