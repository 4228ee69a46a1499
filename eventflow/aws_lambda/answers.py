"""From an outcome to what Lambda's runtime writes as JSON. What it means is then the caller's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Service
from eventflow.model.outcome import Outcome, Succeeded, Throttled
from eventflow.runtime.failures import marshal_failed
from eventflow.runtime.marshal import marshal_compact, plain

if TYPE_CHECKING:
    from eventflow.runtime.http.answers import Answer

_BODYLESS: Final = (204, 304)


def encoded(outcome: Outcome, source: str) -> Outcome:
    """The outcome with its value as plain JSON values. A request that the handler cannot take is a success: its answer
    says so."""
    if source == Service.HTTP:
        return _http(outcome)
    return _plain(outcome) if type(outcome) is Succeeded else outcome


def http_answer(answer: Answer) -> dict[str, Any]:
    """One of eventflow's own answers as a response of payload format 2.0."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return {"statusCode": answer.status, "headers": headers, "body": answer.body.decode()}


def _plain(outcome: Succeeded) -> Outcome:
    try:
        value = plain(outcome.value)
    except RecursionError:
        return outcome  # Lambda's runtime tells a cycle from depth
    except Exception as exc:  # noqa: BLE001 (the edge of user code: models run some while they are written)
        return marshal_failed(exc, "")
    return outcome if value is outcome.value else Succeeded(value)


def _http(outcome: Outcome) -> Outcome:
    if type(outcome) is not Succeeded:
        from eventflow.runtime.http.answers import message
        from eventflow.runtime.http.mistakes import bad_request, clients_mistake

        if type(outcome) is Throttled:  # by middleware: permits are Lambda's
            return Succeeded(http_answer(message(429, "Too Many Requests")))
        mistake = clients_mistake(outcome)
        return outcome if mistake is None else Succeeded(http_answer(bad_request(mistake)))
    written = _plain(outcome)
    if type(written) is Succeeded and isinstance(written.value, dict) and "statusCode" in written.value:
        return Succeeded(_structured(written.value))
    return written


def _structured(response: dict[str, Any]) -> dict[str, Any]:
    """What gateways do not agree about is written out, as ``eventflow serve`` answers: a body that is no text is JSON,
    and so is a body whose type nobody says."""
    body, headers = response.get("body"), response.get("headers")
    if body is not None and not isinstance(body, str):
        response = {**response, "body": marshal_compact(body).decode()}
    if response["statusCode"] not in _BODYLESS and (headers is None or isinstance(headers, dict)):
        names = [str(name).lower() for name in headers or ()]
        if "content-type" not in names:
            response = {**response, "headers": {"content-type": "application/json", **(headers or {})}}
    return response
