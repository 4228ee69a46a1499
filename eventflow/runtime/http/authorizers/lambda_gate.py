"""Asking functions who may pass. Source: API Gateway guide: http-api-lambda-authorizer,
apigateway-use-lambda-authorizer."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.outcome import FunctionFailed, Succeeded
from eventflow.plan.http_request import API_ID
from eventflow.runtime.http.authorizers.route_gate import RouteGate
from eventflow.runtime.marshal import marshal
from eventflow.runtime.request_path import report_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.plan.environment import Environment
    from eventflow.plan.http_request import HttpRequest
    from eventflow.plan.plan import AuthorizerPlan
    from eventflow.policy.authorization import Verdict
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions

_log = logging.getLogger(__name__)

MAXIMUM_KEPT: Final = 10_000
"""Answers that an authorizer's cache holds; the oldest goes first."""


class Verdicts:
    """What an authorizer said of identities, kept for a while."""

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


class LambdaGate(RouteGate):
    """Asks a function. Shared by all routes that name it."""

    def __init__(self, plan: AuthorizerPlan, functions: Functions, environment: Environment, clock: Clock) -> None:
        self._name = plan.endpoint.function.name
        self._entry = functions[self._name].invoker.entry(plan.endpoint)
        place = f"{environment.region}:{environment.account_id}"
        self.arn = f"arn:{environment.partition}:execute-api:{place}:{API_ID}"
        self.verdicts = Verdicts(plan.settings.result_ttl_seconds, clock)

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
        self.verdicts.keep(identity, verdict)
        return verdict


def bodiless(request: HttpRequest) -> dict[str, Any]:
    """A request's event as authorizers see it."""
    wire = request.wire()
    return {name: value for name, value in wire.items() if name not in ("body", "isBase64Encoded")}
