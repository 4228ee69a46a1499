"""Services that call one function for everything: inside Lambda the triggers choose, as ``serve`` chooses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventflow import App, on_alexa, on_cloudformation, on_cloudfront, on_cognito, on_lex, on_sns
from eventflow.aws_lambda.dispatch import Dispatcher, EventDispatchError
from eventflow.plan.environment import Environment
from tests.aws_lambda.lambda_context import LambdaContext, handler_of, named, sample

CONTEXT = LambdaContext()
SKILL = "amzn1.ask.skill.x"
RECIPE = sample("alexa/intent_with_resolved_slot")
CODE_HOOK = sample("lex/smallest")


def answers(event: Any, *functions: Any, resources: dict[str, str] | None = None) -> Any:
    with handler_of(*functions, environment=Environment(resources=resources or {})) as handler:
        return handler(event, CONTEXT)


def test_an_intent_goes_to_its_function_and_the_rest_to_the_skills() -> None:
    functions = named("skill", on_alexa(SKILL)), named("recipe", on_alexa(SKILL, intent="Recipe"))
    assert answers(RECIPE, *functions) == "recipe"
    assert answers(sample("alexa/launch"), *functions) == "skill"


def test_a_function_for_one_intent_gets_no_other_one() -> None:
    other = named("other", on_alexa(SKILL, intent="Other"))
    with pytest.raises(EventDispatchError, match=r"^no trigger asks for this event of alexa \(other\)$"):
        answers(RECIPE, other)
    with handler_of(other, function_name="other") as handler, pytest.raises(EventDispatchError):
        handler(RECIPE, CONTEXT)


def test_requests_of_another_skill_are_refused() -> None:
    with pytest.raises(EventDispatchError, match="no trigger asks for this event of alexa"):
        answers(RECIPE, named("skill", on_alexa("amzn1.ask.skill.mine")))


def test_two_intents_of_one_function_are_no_reason_to_send_it_a_third() -> None:
    both = named("both", lambda handler: on_alexa(SKILL, intent="A")(on_alexa(SKILL, intent="B")(handler)))
    with pytest.raises(EventDispatchError, match="no trigger asks"):
        answers(RECIPE, both)


def test_a_bots_intent_goes_to_its_function_and_the_rest_to_the_bots() -> None:
    functions = [
        named("bot", on_lex("n")),
        named("intent", on_lex("n", intent="I")),
        named("moment", on_lex("n", intent="I", source="FulfillmentCodeHook")),
    ]
    assert answers(CODE_HOOK, *functions) == "intent"
    assert answers({**CODE_HOOK, "invocationSource": "FulfillmentCodeHook"}, *functions) == "moment"
    other = {**CODE_HOOK["sessionState"], "intent": {**CODE_HOOK["sessionState"]["intent"], "name": "Other"}}
    assert answers({**CODE_HOOK, "sessionState": other}, *functions) == "bot"


def test_bots_are_told_apart_by_name_or_by_what_they_are_bound_to() -> None:
    assert answers(CODE_HOOK, named("wrong", on_lex("m", intent="I")), named("right", on_lex("n"))) == "right"
    functions = named("wrong", on_lex("one")), named("right", on_lex("two"))
    arn = "arn:aws:lex:us-east-1:123456789012:bot"
    assert answers(CODE_HOOK, *functions, resources={"lex:one": f"{arn}/A", "lex:two": f"{arn}/B"}) == "right"


SIGN_UP = sample("cognito/pre_sign_up")


def test_a_user_pools_triggers_go_to_the_functions_that_name_them() -> None:
    functions = (
        named("before", on_cognito("users", "PreSignUp")),
        named("after", on_cognito("users", "PostConfirmation")),
    )
    with handler_of(*functions) as handler:
        assert "before" in json.dumps(handler(SIGN_UP, CONTEXT))
        assert "after" in json.dumps(handler(sample("cognito/post_confirmation"), CONTEXT))
        with pytest.raises(EventDispatchError, match=r"no trigger asks for this event of cognito"):
            handler(sample("cognito/custom_message"), CONTEXT)


def test_user_pools_are_told_apart_by_what_they_are_bound_to() -> None:
    functions = named("wrong", on_cognito("one", "PreSignUp")), named("right", on_cognito("two", "PreSignUp"))
    with pytest.raises(EventDispatchError, match="2 triggers ask"):
        answers(SIGN_UP, *functions)
    resources = {"cognito:one": "us-east-1_y", "cognito:two": "us-east-1_x"}
    assert "right" in json.dumps(answers(SIGN_UP, *functions, resources=resources))


def test_the_moments_of_a_distribution_go_to_the_functions_that_name_them() -> None:
    functions = [
        named("viewer", on_cloudfront("web", "viewer-request")),
        named("origin", on_cloudfront("web", "origin-request")),
    ]
    assert answers(sample("cloudfront/viewer_request"), *functions) == "viewer"
    assert answers(sample("cloudfront/origin_request_s3"), *functions) == "origin"
    with pytest.raises(EventDispatchError, match="no trigger asks for this event of cloudfront"):
        answers(sample("cloudfront/viewer_response"), *functions)


def test_distributions_are_told_apart_by_what_they_are_bound_to() -> None:
    functions = [
        named("wrong", on_cloudfront("one", "viewer-request")),
        named("right", on_cloudfront("two", "viewer-request")),
    ]
    resources = {"cloudfront:one": "OTHER", "cloudfront:two": "E"}
    assert answers(sample("cloudfront/viewer_request"), *functions, resources=resources) == "right"


def through(topic: str, message: Any) -> dict[str, Any]:
    event: dict[str, Any] = sample("sns/subject_and_attributes")
    sns = {**event["Records"][0]["Sns"], "TopicArn": f"arn:aws:sns:us-east-1:123456789012:{topic}"}
    return {"Records": [{**event["Records"][0], "Sns": {**sns, "Message": json.dumps(message)}}]}


def test_custom_resources_come_through_their_topic_or_directly() -> None:
    request = sample("cloudformation/create")
    functions = [
        named("policies", on_cloudformation("policies")),
        named("quotas", on_cloudformation("quotas")),
        named("direct", on_cloudformation()),
        named("alarms", on_sns("alarms")),
    ]
    plan = App(functions).freeze(Environment())
    dispatcher = Dispatcher(plan, list(plan.functions))

    def found(event: Any) -> str:
        endpoint = dispatcher.find(event).endpoint
        assert endpoint is not None
        return endpoint.function.name

    assert found(through("policies", request)) == "policies"
    assert found(through("quotas", request)) == "quotas"
    assert found(request) == "direct"
    assert found(through("alarms", "text")) == "alarms"
