"""What the callers of synchronous functions make of an outcome, and which answers they do not take."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.callers import CognitoTriggerName, trigger_name
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEX_RESPONSE_BYTES: Final = 25 * 1024
LEX_ATTRIBUTE_BYTES: Final = 12 * 1024
LEX_MESSAGE_CHARACTERS: Final = 1_024
ALEXA_RESPONSE_BYTES: Final = 120 * 1024
ALEXA_SPEECH_CHARACTERS: Final = 8_000
SMS_CHARACTERS: Final = 140
EMAIL_CHARACTERS: Final = 20_000

ALEXA_REQUEST_SECONDS: Final = 150.0
ALEXA_EVENT_SECONDS: Final = 3_600.0
"""Events of the skill itself are tried again for an hour."""
_LATE_REQUESTS: Final = tuple(
    f"AlexaSkillEvent.Skill{what}"
    for what in ("Enabled", "Disabled", "PermissionChanged", "PermissionAccepted", "AccountLinked")
)

_DIALOG_ACTIONS: Final = ("Close", "ConfirmIntent", "Delegate", "ElicitIntent", "ElicitSlot", "None")
_NEEDS_INTENT: Final = ("Close", "ConfirmIntent", "ElicitSlot")


class CallerError(NamedTuple):
    """The caller's own error: its code, and the message that its client gets to see."""

    code: str
    message: str


def cognito_error(event: Mapping[str, Any], outcome: Outcome | None) -> CallerError | None:
    """What a client of Cognito sees of a trigger that failed; ``outcome`` is ``None`` if it took too long.

    Source: Cognito API: UserLambdaValidationException, UnexpectedLambdaException, InvalidLambdaResponseException.
    """
    name = trigger_name(str(event.get("triggerSource"))) or str(event.get("triggerSource"))
    if isinstance(outcome, FunctionFailed):
        return CallerError("UserLambdaValidationException", f"{name} failed with error {outcome.error_message}.")
    if not isinstance(outcome, Succeeded):
        return CallerError("UnexpectedLambdaException", f"{name} did not answer in time, or could not be called.")
    return None


def cognito_problem(event: Mapping[str, Any], answer: object) -> str | None:
    """Why Cognito would not take an answer: it wants the whole event back, with what the trigger may say.

    Source: Cognito guide: user pool Lambda triggers.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict):
        return "it is not the whole event with its response"
    if answer.get("triggerSource") != event.get("triggerSource"):
        return "it is not the event that came"
    response: dict[str, Any] = answer["response"]
    match trigger_name(str(event.get("triggerSource"))):
        case CognitoTriggerName.USER_MIGRATION if not response.get("userAttributes"):
            return "a migrated user has no userAttributes"
        case CognitoTriggerName.CUSTOM_MESSAGE:
            return next(_message_problems(event.get("request") or {}, response), None)
        case _:
            return None


def _message_problems(request: Mapping[str, Any], response: Mapping[str, Any]) -> Iterator[str]:
    for field, longest in (("smsMessage", SMS_CHARACTERS), ("emailMessage", EMAIL_CHARACTERS)):
        text = response.get(field)
        if text is None:
            continue
        if not isinstance(text, str) or len(text) > longest:
            yield f"{field} is no text of up to {longest:,} characters"
            continue
        placeholders = [request.get("linkParameter") or request.get("codeParameter"), request.get("usernameParameter")]
        for placeholder in placeholders:
            if placeholder and placeholder not in text:
                yield f"{field} does not contain {placeholder}"


def lex_problem(event: Mapping[str, Any], answer: object) -> str | None:
    """Why Lex V2 would not take an answer. Source: Lex V2 guide: response format; quotas."""
    return next(_lex_problems(event, answer), None)


def _lex_problems(event: Mapping[str, Any], answer: object) -> Iterator[str]:
    session = answer.get("sessionState") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(session, dict):
        yield "it has no sessionState"
        return
    if _size(answer) > LEX_RESPONSE_BYTES:
        yield f"it has more than {LEX_RESPONSE_BYTES:,} bytes"
    if _size(session.get("sessionAttributes") or {}) > LEX_ATTRIBUTE_BYTES:
        yield f"its sessionAttributes have more than {LEX_ATTRIBUTE_BYTES:,} bytes"
    action = session.get("dialogAction")
    kind = action.get("type") if isinstance(action, dict) else None
    if not isinstance(action, dict) or kind not in _DIALOG_ACTIONS:
        yield f"its dialogAction has none of the types {', '.join(_DIALOG_ACTIONS)}"
        return
    yield from _action_problems(kind, action, session, answer)
    for message in answer.get("messages") or ():
        if len(message.get("content") or "") > LEX_MESSAGE_CHARACTERS:
            yield f"a message has more than {LEX_MESSAGE_CHARACTERS:,} characters"


def _action_problems(
    kind: str, action: Mapping[str, Any], session: Mapping[str, Any], answer: Mapping[str, Any]
) -> Iterator[str]:
    intent: Any = session.get("intent")
    if kind in _NEEDS_INTENT and not isinstance(intent, dict):
        yield f"{kind} needs an intent"
        return
    if kind == "Close" and intent.get("state") not in ("Fulfilled", "Failed"):
        yield "Close needs an intent whose state is Fulfilled or Failed"
    if kind == "ElicitIntent" and not answer.get("messages"):
        yield "ElicitIntent needs messages"
    if kind == "ElicitSlot" and action.get("slotToElicit") not in (intent.get("slots") or {}):
        yield f"the intent has no slot {action.get('slotToElicit')!r} to elicit"


def alexa_problem(answer: object) -> str | None:
    """Why Alexa would not take an answer. Source: Alexa Skills Kit: response format."""
    body = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(body, dict):
        return "it has no response"
    if _size(answer) > ALEXA_RESPONSE_BYTES:
        return f"it has more than {ALEXA_RESPONSE_BYTES:,} bytes"
    speech = body.get("outputSpeech")
    said = (speech.get("text") or speech.get("ssml") or "") if isinstance(speech, dict) else ""
    if len(said) > ALEXA_SPEECH_CHARACTERS:
        return f"its outputSpeech has more than {ALEXA_SPEECH_CHARACTERS:,} characters"
    return None


def alexa_age_problem(request: Mapping[str, Any], now: float) -> str | None:
    """Why a request is not of now: somebody may have kept an old one. Source: Alexa Skills Kit: host a custom skill as
    a web service."""
    try:
        moment = datetime.fromisoformat(request["timestamp"])
    except (KeyError, TypeError, ValueError):
        return "its timestamp is none"
    age = now - moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    tolerance = ALEXA_EVENT_SECONDS if request.get("type") in _LATE_REQUESTS else ALEXA_REQUEST_SECONDS
    return f"it is of {request['timestamp']}, more than {tolerance:g} s from now" if abs(age) > tolerance else None


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
