"""From an outcome to what Lambda's runtime writes as JSON. What it means is then the caller's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.events._requests import request_context
from eventflow.model.destinations import HTTP_SERVICES, Service
from eventflow.model.outcome import Outcome, Succeeded, Throttled
from eventflow.runtime.failures import marshal_failed
from eventflow.runtime.http.answers import BODYLESS
from eventflow.runtime.marshal import marshal_compact, plain

if TYPE_CHECKING:
    from eventflow.model.json import JsonObject
    from eventflow.runtime.http.answers import Answer

_TOLERANT: Final = frozenset({Service.HTTP, Service.HTTP_V1, Service.FUNCTION_URL})
"""Those that write out a response which is not spelled out; the others refuse it, here as there."""


def encoded(outcome: Outcome, source: str, subject: Any) -> Outcome:
    """The outcome with its value as plain JSON values. A request that the handler cannot take is a success: its answer
    says so."""
    if source in HTTP_SERVICES:
        return _http(outcome, Service(source), subject)
    return _plain(outcome) if type(outcome) is Succeeded else outcome


def response(answer: Answer, request: JsonObject) -> dict[str, Any]:
    """One of eventflow's own answers to the request of an event, as its gateway or load balancer takes it."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    own: dict[str, Any] = {"headers": headers}
    if "elb" in request_context(request) and "multiValueHeaders" in request:
        own = {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return {"statusCode": answer.status, **own, "body": answer.body.decode()}


def _plain(outcome: Succeeded) -> Outcome:
    try:
        value = plain(outcome.value)
    except RecursionError:
        return outcome  # Lambda's runtime tells a cycle from depth
    except Exception as exc:  # noqa: BLE001 (the edge of user code: models run some while they are written)
        return marshal_failed(exc, "")
    return outcome if value is outcome.value else Succeeded(value)


def _http(outcome: Outcome, service: Service, subject: Any) -> Outcome:
    if type(outcome) is not Succeeded:
        from eventflow.runtime.http.flavours import FLAVOURS
        from eventflow.runtime.http.mistakes import bad_request, clients_mistake

        mistake = clients_mistake(outcome)
        if type(outcome) is Throttled:  # by middleware: permits are Lambda's
            return Succeeded(response(FLAVOURS[service].throttled, subject.wire()))
        return outcome if mistake is None else Succeeded(response(bad_request(mistake), subject.wire()))
    written = _plain(outcome)
    if service in _TOLERANT and type(written) is Succeeded:
        value = written.value
        if isinstance(value, dict) and "statusCode" in value:
            return Succeeded(_structured(value))
    return written


def _structured(response: dict[str, Any]) -> dict[str, Any]:
    """What gateways do not agree about is written out, as ``eventflow serve`` answers: a body that is no text is JSON,
    and so is a body whose type nobody says."""
    body, headers, lists = response.get("body"), response.get("headers"), response.get("multiValueHeaders")
    if body is not None and not isinstance(body, str):
        response = {**response, "body": marshal_compact(body).decode()}
    if response["statusCode"] not in BODYLESS and (headers is None or isinstance(headers, dict)):
        names = [str(name).lower() for name in (*(headers or ()), *(lists if isinstance(lists, dict) else ()))]
        if "content-type" not in names:
            response = {**response, "headers": {"content-type": "application/json", **(headers or {})}}
    return response
