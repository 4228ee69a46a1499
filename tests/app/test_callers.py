"""Services that call a function and wait for its answer: what they take, how long they wait, what a failure becomes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from eventflow import (
    AlexaEvent,
    AlexaResponse,
    App,
    CloudFormationEvent,
    CloudFrontEvent,
    CognitoEvent,
    ConfigurationError,
    Context,
    CustomEmailSenderEvent,
    EdgeRequest,
    Environment,
    LexEvent,
    LexResponse,
    PreSignUpEvent,
    PreSignUpResponse,
    function,
    on_alexa,
    on_cloudformation,
    on_cloudfront,
    on_cognito,
    on_lex,
)
from eventflow.testing import CallerFailedError, TestApp
from eventflow.testing.events import alexa_event, cloudfront_event, cognito_event, lex_event

SKILL = "amzn1.ask.skill.example"


@on_cognito("users", "PreSignUp")
async def confirm(event: PreSignUpEvent) -> PreSignUpResponse | None:
    address = (event.request.user_attributes or {})["email"]
    if address.endswith("@blocked.example"):
        raise ValueError("not from there")
    return PreSignUpResponse(auto_confirm_user=True) if address.endswith("@example.com") else None


@on_cognito("users", "PostConfirmation", "PreAuthentication")
def raw(event, context):  # type: ignore[no-untyped-def]
    event["response"]["seen"] = context.function_name
    return event


@on_cognito("users", "CustomMessage")
async def message(event: CognitoEvent) -> dict[str, Any]:
    return {**event.to_wire(), "response": {"smsMessage": "Welcome"}}


@on_cognito("users", "UserMigration")
@function(timeout_seconds=60)
async def slow(event: CognitoEvent) -> None:
    await asyncio.sleep(6)


@on_cognito("users", "CustomEmailSender")
async def send_code(event: CustomEmailSenderEvent) -> None:
    raise ValueError("the mail server is away")


COGNITO = App([confirm, raw, message, slow, send_code])


async def test_a_typed_response_is_put_into_the_event() -> None:
    async with TestApp(COGNITO) as app:
        answered = await app.cognito("users").trigger(cognito_event(user_attributes={"email": "a@example.com"}))
        assert isinstance(answered, PreSignUpEvent)
        assert answered.response is not None
        assert answered.response.to_wire() == {"autoConfirmUser": True}


async def test_nothing_said_is_cognitos_default() -> None:
    event = cognito_event(user_attributes={"email": "a@elsewhere.example"}, response={"autoConfirmUser": False})
    async with TestApp(COGNITO) as app:
        assert await app.cognito("users").trigger(event) == event


async def test_a_raw_handler_returns_the_whole_event_as_in_lambda() -> None:
    async with TestApp(COGNITO) as app:
        answered = await app.cognito("users").trigger(cognito_event("PreAuthentication_Authentication"))
        assert answered.to_wire()["response"] == {"seen": "raw"}


async def test_the_user_sees_what_a_trigger_raises() -> None:
    async with TestApp(COGNITO) as app:
        with pytest.raises(CallerFailedError, match=r"PreSignUp failed with error not from there\.") as caught:
            await app.cognito("users").trigger(cognito_event(user_attributes={"email": "a@blocked.example"}))
    assert caught.value.code == "UserLambdaValidationException"


async def test_cognito_waits_five_seconds_while_the_function_goes_on() -> None:
    async with TestApp(COGNITO) as app:
        started = app.time()
        with pytest.raises(CallerFailedError) as caught:
            await app.cognito("users").trigger(cognito_event("UserMigration_Authentication"))
        assert (caught.value.code, app.time() - started) == ("UnexpectedLambdaException", 5)
        await app.advance(2)
        assert app.invocations("slow")[0].outcome.ok


async def test_a_message_without_its_code_is_no_answer() -> None:
    event = cognito_event("CustomMessage_SignUp", request={"codeParameter": "####"})
    async with TestApp(COGNITO) as app:
        with pytest.raises(CallerFailedError, match="smsMessage does not contain ####") as caught:
            await app.cognito("users").trigger(event)
    assert caught.value.code == "InvalidLambdaResponseException"


async def test_custom_senders_are_asynchronous_and_tried_again() -> None:
    async with TestApp(COGNITO) as app:
        await app.invoke_async("send_code", cognito_event("CustomEmailSender_SignUp"))
        await app.settle()
        assert len(app.invocations("send_code")) == 3


async def test_a_trigger_that_no_function_has_is_said() -> None:
    async with TestApp(COGNITO) as app:
        with pytest.raises(CallerFailedError, match="no function of the app is declared for this event of 'users'"):
            await app.cognito("users").trigger(cognito_event("DefineAuthChallenge_Authentication"))


class Booking(BaseModel):
    city: str | None = None
    nights: int | None = None


@on_lex("travel")
async def anything(event: LexEvent) -> LexResponse:
    return event.delegate()


@on_lex("travel", intent="Book")
async def ask(slots: Booking, event: LexEvent) -> LexResponse:
    return event.confirm_intent("Sure?") if slots.nights else event.elicit_slot("nights", "How long?")


@on_lex("travel", intent="Book", source="FulfillmentCodeHook")
async def book(slots: Booking, event: LexEvent) -> LexResponse:
    return event.close(f"{slots.nights} nights in {slots.city}")


@on_lex("travel", intent="Broken")
@function(timeout_seconds=60)
async def broken(event: dict[str, Any], context: Context) -> Any:
    answers = {"none": None, "slot": {"sessionState": {"dialogAction": {"type": "ElicitSlot", "slotToElicit": "x"}}}}
    if event["inputTranscript"] == "slow":
        await asyncio.sleep(31)
    return answers[event["inputTranscript"]]


LEX = App([anything, ask, book, broken])


@pytest.mark.parametrize(
    ("event", "action", "function_name"),
    [
        (lex_event("Other"), "Delegate", "anything"),
        (lex_event("Other", source="FulfillmentCodeHook"), "Delegate", "anything"),
        (lex_event("Book", {"nights": None}), "ElicitSlot", "ask"),
        (lex_event("Book", {"nights": "4"}), "ConfirmIntent", "ask"),
        (lex_event("Book", {"city": "Rome", "nights": "4"}, source="FulfillmentCodeHook"), "Close", "book"),
    ],
)
async def test_the_function_that_asks_most_precisely_has_the_hook(
    event: LexEvent, action: str, function_name: str
) -> None:
    async with TestApp(LEX) as app:
        answer = await app.lex("travel").hook(event)
        assert answer.session_state.dialog_action is not None
        assert answer.session_state.dialog_action.type == action
        assert len(app.invocations(function_name)) == 1


@pytest.mark.parametrize(
    ("transcript", "problem"),
    [("none", "no sessionState"), ("slot", "ElicitSlot needs an intent"), ("slow", "took too long"), ("?", "KeyError")],
)
async def test_lex_takes_no_other_answer(transcript: str, problem: str) -> None:
    async with TestApp(LEX) as app:
        with pytest.raises(CallerFailedError, match=problem) as caught:
            await app.lex("travel").hook(lex_event("Broken", transcript=transcript))
    assert caught.value.code == "DependencyFailedException"


class Dish(BaseModel):
    item: str


@on_alexa(SKILL)
async def skill(event: AlexaEvent) -> AlexaResponse:
    return event.speak("Welcome", end_session=False)


@on_alexa(SKILL, intent="Recipe")
async def recipe(dish: Dish, event: AlexaEvent) -> AlexaResponse:
    return event.speak("x" * 8_001 if dish.item == "everything" else f"Take {dish.item}")


ALEXA = App([skill, recipe])


async def test_a_skill_answers_by_intent() -> None:
    async with TestApp(ALEXA) as app:
        welcome = await app.alexa(SKILL).request(alexa_event())
        answer = await app.alexa(SKILL).request(alexa_event("Recipe", {"item": "snow"}))
    assert welcome is not None
    assert answer is not None
    assert welcome.response.should_end_session is False
    assert answer.response.output_speech is not None
    assert answer.response.output_speech.text == "Take snow"


async def test_alexa_takes_no_answer_to_the_end_of_a_session() -> None:
    async with TestApp(ALEXA) as app:
        assert await app.alexa(SKILL).request(alexa_event(request_type="SessionEndedRequest")) is None


async def test_alexa_does_not_say_too_much() -> None:
    async with TestApp(ALEXA) as app:
        with pytest.raises(CallerFailedError, match="INVALID_RESPONSE: its outputSpeech has more than 8,000"):
            await app.alexa(SKILL).request(alexa_event("Recipe", {"item": "everything"}))
        with pytest.raises(CallerFailedError, match="item: Input should be a valid string"):
            await app.alexa(SKILL).request(alexa_event("Recipe", {"item": None}))


async def test_edge_functions_are_invoked_with_their_events() -> None:
    @on_cloudfront("site", "viewer-request")
    async def rewrite(event: CloudFrontEvent) -> EdgeRequest:
        return event.request.model_copy(update={"uri": "/index.html"})

    async with TestApp(rewrite) as app:
        outcome = await app.invoke("rewrite", cloudfront_event(uri="/"))
    assert outcome.ok


def problems(*handlers: Any) -> list[str]:
    try:
        App(handlers).freeze(Environment())
    except ConfigurationError as exc:
        return [str(problem) for problem in exc.problems]
    return []


def handler(name: str) -> Any:
    def work(event):  # type: ignore[no-untyped-def]
        return event

    work.__name__ = work.__qualname__ = name
    return work


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        (on_cognito("users"), "triggers: are missing"),
        (on_cognito("users", "SignUp"), "triggers: 'SignUp' is not allowed"),  # type: ignore[arg-type]
        (on_cognito("users", "PreSignUp", "CustomEmailSender"), "do not go together"),
        (on_cognito("", "PreSignUp"), "user_pool: '' is not allowed"),
        (on_cloudformation("a topic"), "topic: 'a topic' is not allowed"),
        (on_alexa("skill"), "skill_id: 'skill' is not allowed"),
        (on_alexa(SKILL, path="alexa"), "path: 'alexa' is not allowed"),
        (on_alexa(SKILL, intent=""), "intent: is empty"),
        (on_lex("a bot"), "bot: 'a bot' is not allowed"),
        (on_lex("bot", source="Hook"), "source: 'Hook' is not allowed"),  # type: ignore[arg-type]
        (on_cloudfront("site", "request"), "event_type: 'request' is not allowed"),  # type: ignore[arg-type]
        (on_cloudfront("site", "viewer-response", include_body=True), "has no body to include"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(mark: Any, problem: str) -> None:
    [found] = problems(mark(handler("work")))
    assert problem in found


@pytest.mark.parametrize(
    "mark",
    [
        on_cognito("users", "PreSignUp"),
        on_lex("bot", intent="Book"),
        on_alexa(SKILL),
        on_cloudfront("site", "viewer-request"),
        on_cloudformation("topic"),
    ],
)
def test_what_one_function_answers_no_other_can(mark: Any) -> None:
    [found] = problems(mark(handler("first")), mark(handler("second")))
    assert ", as tests.app.test_callers.first" in found or ", as test_callers.first" in found


@pytest.mark.parametrize(("event_type", "longest"), [("viewer-request", 5), ("origin-request", 30)])
def test_edge_functions_have_little_time(event_type: Any, longest: int) -> None:
    mark = on_cloudfront("site", event_type)
    assert problems(mark(function(timeout_seconds=longest)(handler("work")))) == []
    [found] = problems(mark(function(timeout_seconds=longest + 1)(handler("work"))))
    assert f"from 1 to {longest} seconds behind cloudfront" in found


def test_a_handler_cannot_ask_for_another_services_event() -> None:
    @on_lex("bot")
    def wrong(event: CloudFormationEvent) -> None: ...

    [found] = problems(wrong)
    assert "CloudFormationEvent is not what this source gives" in found
