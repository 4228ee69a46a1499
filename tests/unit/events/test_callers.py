"""The events of services that wait for an answer, and of those that call functions in Lambda only."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from eventflow.errors import EventValidationError
from eventflow.events import (
    AlexaEvent,
    CloudFormationEvent,
    CloudFrontEvent,
    CloudWatchLogsEvent,
    CognitoEvent,
    ConfigRuleEvent,
    EdgeResponse,
    LexEvent,
    PreSignUpEvent,
    PreSignUpResponse,
    S3BatchEvent,
)
from eventflow.events.alexa import ALEXA
from eventflow.events.cloudformation import CLOUDFORMATION
from eventflow.events.cognito import COGNITO, EVENT_MODELS
from eventflow.events.lex import LEX
from eventflow.events.sns import sns_wire_event
from eventflow.model.callers import CognitoTriggerName, trigger_name
from tests.unit.events.samples import DIRECTORY, load

SIGN_UP = load("cognito", "pre_sign_up")
COGNITO_SAMPLES = sorted(path.stem for path in (DIRECTORY / "cognito").glob("*.json"))


@pytest.mark.parametrize("name", COGNITO_SAMPLES)
def test_the_model_of_a_trigger_loses_nothing_of_its_event(name: str) -> None:
    wire = load("cognito", name)
    trigger = CognitoEvent.model_validate(wire).trigger
    model = EVENT_MODELS[trigger] if trigger else CognitoEvent
    assert model.model_validate(wire).to_wire() == wire


def test_every_trigger_has_a_sample_and_is_told_by_its_source() -> None:
    sources = [load("cognito", name)["triggerSource"] for name in COGNITO_SAMPLES]
    assert {trigger_name(source) for source in sources} - {None} == set(CognitoTriggerName)
    assert trigger_name("TokenGeneration_RefreshTokens") is CognitoTriggerName.PRE_TOKEN_GENERATION
    assert trigger_name("Teleportation_Begin") is None


def test_a_response_is_put_into_the_event_beside_what_cognito_said() -> None:
    completed = COGNITO.completed(SIGN_UP, PreSignUpResponse(auto_confirm_user=True))
    assert completed == {**SIGN_UP, "response": {**SIGN_UP["response"], "autoConfirmUser": True}}
    answered = PreSignUpEvent.model_validate(SIGN_UP).respond(auto_confirm_user=True)
    assert answered.to_wire() == completed


def test_a_handler_that_says_nothing_leaves_the_event_as_it_is() -> None:
    assert COGNITO.completed(SIGN_UP, None) is SIGN_UP
    assert COGNITO.completed(SIGN_UP, {"response": {}}) == {"response": {}}


def through_a_topic(message: str) -> dict[str, Any]:
    return sns_wire_event(
        topic_arn="arn:aws:sns:us-east-1:1:t", message_id="m", message=message, timestamp=0, subscription_arn="s"
    )


def test_a_custom_resource_is_the_same_alone_and_through_a_topic() -> None:
    wire = load("cloudformation", "create")
    assert CLOUDFORMATION.opened(wire) is wire
    assert CLOUDFORMATION.opened(through_a_topic(json.dumps(wire))) == wire


@pytest.mark.parametrize("message", ["", "text", "[]", "{}", '{"RequestType": "Create"}'])
def test_another_message_of_the_topic_is_no_request(message: str) -> None:
    with pytest.raises(EventValidationError, match="no request for a custom resource"):
        CLOUDFORMATION.opened(through_a_topic(message))


def test_properties_are_without_cloudformations_own() -> None:
    wire = load("cloudformation", "create")
    expected = {"N": "5", "Enabled": "true", "Tags": ["a", {"k": "v"}]}
    assert CLOUDFORMATION.payload(wire) == expected
    assert CloudFormationEvent.model_validate(wire).payload == expected
    assert CloudFormationEvent[dict[str, Any]].model_validate(wire).payload == expected
    assert "X-Amz-Signature" not in repr(CloudFormationEvent.model_validate(wire))


def test_slots_are_their_values() -> None:
    lex = load("lex", "fulfilment_with_every_shape_of_slot")
    assert LEX.payload(lex) == {
        "City": "Chicago",
        "Extras": ["wifi", "bath"],
        "Address": {"Street": "Main", "Number": None},
        "Nights": None,
    }
    event = LexEvent.model_validate(lex)
    assert (event.slot("City"), event.slot("Nights"), event.slot("Other")) == ("Chicago", None, None)
    assert ALEXA.payload(load("alexa", "intent_with_resolved_slot")) == {"Item": "snow ball", "Size": None}
    assert ALEXA.payload(load("alexa", "launch")) == {}


def test_a_code_hook_answers_with_the_session_as_it_was() -> None:
    wire = load("lex", "fulfilment_with_every_shape_of_slot")
    answer = LexEvent.model_validate(wire).close("Done", state="Failed").to_wire()
    session = wire["sessionState"]
    assert answer == {
        "sessionState": {
            **session,
            "intent": {**session["intent"], "state": "Failed"},
            "dialogAction": {"type": "Close"},
        },
        "messages": [{"contentType": "PlainText", "content": "Done"}],
        "requestAttributes": wire["requestAttributes"],
    }


def test_a_dialog_hook_decides_what_comes_next() -> None:
    event = LexEvent.model_validate(load("lex", "smallest"))
    answers = [event.delegate(), event.elicit_slot("X", "Which?"), event.elicit_intent("What?"), event.confirm_intent()]
    actions = [answer.to_wire()["sessionState"]["dialogAction"] for answer in answers]
    assert actions == [
        {"type": "Delegate"},
        {"type": "ElicitSlot", "slotToElicit": "X"},
        {"type": "ElicitIntent"},
        {"type": "ConfirmIntent"},
    ]


def test_a_skill_speaks_and_keeps_its_session_attributes() -> None:
    wire = load("alexa", "intent_with_resolved_slot")
    wire["session"]["attributes"] = {"n": 1}
    event = AlexaEvent.model_validate(wire)
    assert event.slot("Item") == "snow ball"
    assert event.speak("<speak>Hi</speak>", end_session=False, reprompt="Well?").to_wire() == {
        "version": "1.0",
        "sessionAttributes": {"n": 1},
        "response": {
            "outputSpeech": {"type": "SSML", "ssml": "<speak>Hi</speak>"},
            "reprompt": {"outputSpeech": {"type": "PlainText", "text": "Well?"}},
            "shouldEndSession": False,
        },
    }
    assert "shouldEndSession" not in event.speak("Hi", end_session=None).to_wire()["response"]


def test_an_edge_response_is_generated_and_changed() -> None:
    generated = EdgeResponse.generate(302, headers={"Location": "/x"}, body=b"\xff").with_header("X-K", "v")
    assert generated.to_wire() == {
        "status": "302",
        "headers": {"location": [{"key": "Location", "value": "/x"}], "x-k": [{"key": "X-K", "value": "v"}]},
        "body": "/w==",
        "bodyEncoding": "base64",
    }
    request = CloudFrontEvent.model_validate(load("cloudfront", "viewer_request_with_body")).request
    assert request.body is not None
    assert (request.body.data_bytes, request.header("HOST")) == (b"hello", "h")
    assert request.with_header("Host", "other").header("host") == "other"


def test_what_an_edge_event_does_not_have_is_said() -> None:
    with pytest.raises(ValueError, match="a viewer-request has no response"):
        _ = CloudFrontEvent.model_validate(load("cloudfront", "viewer_request")).response


def test_log_records_are_unpacked() -> None:
    [line] = CloudWatchLogsEvent.model_validate(load("cloudwatch-logs", "data")).logs().log_events
    assert line.message == "hello"


@pytest.mark.parametrize("data", ["", "no base64", base64.b64encode(b"no gzip").decode()])
def test_log_records_that_cannot_be_unpacked_are_refused(data: str) -> None:
    with pytest.raises(EventValidationError, match="cannot be unpacked"):
        CloudWatchLogsEvent.model_validate({"awslogs": {"data": data}}).logs()


def test_log_records_that_unpack_to_too_much_are_refused() -> None:
    bomb = zlib.compressobj(wbits=31)
    packed = b"".join([*(bomb.compress(b" " * 2**20) for _ in range(65)), bomb.flush()])
    with pytest.raises(EventValidationError, match="has more than"):
        CloudWatchLogsEvent.model_validate({"awslogs": {"data": base64.b64encode(packed).decode()}}).logs()


def test_json_inside_of_text_is_read() -> None:
    rule = ConfigRuleEvent.model_validate(load("config", "scheduled"))
    assert rule.notification()["messageType"] == "ScheduledNotification"
    assert rule.parameters() == {"k": "v"}


def test_the_key_of_a_batch_task_is_decoded() -> None:
    assert S3BatchEvent.model_validate(load("s3-batch", "v1")).tasks[0].key == "a b@c"
