"""Which function an event is for: told by the event, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from eventflow import (
    on_documentdb_batch,
    on_dynamodb_stream_batch,
    on_eventbridge,
    on_http,
    on_kafka_batch,
    on_kinesis_batch,
    on_mq_batch,
    on_s3,
    on_schedule,
    on_sns,
    on_sqs,
    on_sqs_batch,
    on_websocket,
)
from eventflow.aws_lambda.dispatch import EventDispatchError
from eventflow.plan.environment import Environment
from tests.aws_lambda.lambda_context import LambdaContext, handler_of, named, request, sample

CONTEXT = LambdaContext()


PAIRS = {
    "sqs/standard": (on_sqs_batch("orders"), on_sqs_batch("other")),
    "sns/subject_and_attributes": (on_sns("orders"), on_sns("other")),
    "s3/put_with_encoded_key": (on_s3("uploads"), on_s3("other-one")),
    "kinesis/batch": (on_kinesis_batch("clicks"), on_kinesis_batch("other")),
    "kinesis/tumbling_window_final_without_records": (on_kinesis_batch("clicks"), on_kinesis_batch("other")),
    "dynamodb/insert_every_type": (on_dynamodb_stream_batch("orders"), on_dynamodb_stream_batch("other")),
    "kafka/msk_two_partitions": (on_kafka_batch("mytopic"), on_kafka_batch("other")),
    "rabbitmq/default_virtual_host": (
        on_mq_batch("pizzaQueue", engine="rabbitmq"),
        on_mq_batch("pizzaQueue", engine="rabbitmq", virtual_host="other"),
    ),
    "activemq/text_messages": (on_mq_batch("testQueue", engine="activemq"), on_mq_batch("other", engine="activemq")),
    "documentdb/insert": (on_documentdb_batch("test_database", collection="test_collection"), on_documentdb_batch("x")),
    "eventbridge/custom_replayed": (
        on_eventbridge({"detail-type": ["OrderPlaced"]}),
        on_eventbridge({"detail-type": ["other"]}),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_of_two_triggers_on_one_service_the_resource_of_the_event_tells_which(name: str) -> None:
    right, wrong = PAIRS[name]
    event = sample(name)
    for first, second in (
        (named("right", right), named("wrong", wrong)),
        (named("wrong", wrong), named("right", right)),
    ):
        with handler_of(first, second) as handler:
            assert handler(event, CONTEXT) == "right"


@pytest.mark.parametrize("name", PAIRS)
def test_of_two_triggers_on_one_resource_neither_is_guessed(name: str) -> None:
    right, _ = PAIRS[name]
    with (
        handler_of(named("one", right), named("two", right)) as handler,
        pytest.raises(EventDispatchError, match="2 triggers ask") as raised,
    ):
        handler(sample(name), CONTEXT)
    assert raised.value.candidates == ("one", "two")
    assert "EVENTFLOW_FUNCTION" in str(raised.value)


def test_one_trigger_of_a_service_gets_its_events_whatever_the_resource_is_called() -> None:
    with handler_of(named("only", on_sqs_batch("orders")), named("files", on_s3("uploads"))) as handler:
        assert handler(sample("sqs/standard"), CONTEXT) == "only"
        assert handler(sample("s3/put_with_encoded_key"), CONTEXT) == "files"


def test_a_resource_is_known_by_what_the_environment_binds_it_to() -> None:
    url = "https://sqs.us-east-2.amazonaws.com/123456789012/orders"
    environment = Environment(resources={"sqs:purchases": url})
    functions = named("right", on_sqs_batch("purchases")), named("wrong", on_sqs_batch("returns"))
    with handler_of(*functions, environment=environment) as handler:
        assert handler(sample("sqs/standard"), CONTEXT) == "right"


def test_an_event_of_a_resource_that_no_trigger_names_is_refused_with_the_candidates() -> None:
    with (
        handler_of(named("one", on_sqs_batch("a")), named("two", on_sqs_batch("b"))) as handler,
        pytest.raises(EventDispatchError, match=r"no trigger asks for this event of sqs; .*\(one, two\)"),
    ):
        handler(sample("sqs/standard"), CONTEXT)


def test_functions_on_one_bucket_are_told_apart_by_event_and_key() -> None:
    event = sample("s3/put_with_encoded_key")
    bucket, key = event["Records"][0]["s3"]["bucket"]["name"], "happy face.jpg"
    event["Records"][0]["s3"]["object"]["key"] = "happy+face.jpg"
    functions = [
        named("removed", on_s3(bucket, events="s3:ObjectRemoved:*")),
        named("texts", on_s3(bucket, suffix=".txt")),
        named("faces", on_s3(bucket, prefix="happy ", suffix=".jpg")),
    ]
    with handler_of(*functions) as handler:
        assert handler(event, CONTEXT) == "faces", key


def test_routes_of_connections_are_told_apart_and_what_has_none_is_the_default_ones() -> None:
    say, default = named("say", on_websocket("say")), named("default", on_websocket("$default"))
    with handler_of(named("connect", on_websocket("$connect")), say, default) as handler:
        answers = []
        for key in ("$connect", "say", "shout"):
            event = sample("websocket/message" if key != "$connect" else "websocket/connect")
            answers.append(handler({**event, "requestContext": {**event["requestContext"], "routeKey": key}}, CONTEXT))
    assert answers == ["connect", "say", "default"]


def test_functions_on_one_topic_are_told_apart_by_their_filter_policies() -> None:
    event = sample("sns/subject_and_attributes")
    topic = event["Records"][0]["Sns"]["TopicArn"].rpartition(":")[2]
    event["Records"][0]["Sns"]["MessageAttributes"] = {"severity": {"Type": "String", "Value": "high"}}
    functions = [
        named("low", on_sns(topic, filter_policy={"severity": ["low"]})),
        named("high", on_sns(topic, filter_policy={"severity": ["high"]})),
    ]
    with handler_of(*functions) as handler:
        assert handler(event, CONTEXT) == "high"


def test_a_named_function_gets_every_event() -> None:
    functions = named("one", on_sqs_batch("a")), named("two", on_sqs_batch("b"))
    with handler_of(*functions, function_name="two") as handler:
        assert handler(sample("sqs/standard"), CONTEXT) == "two"
        assert handler({"anything": 1}, CONTEXT) == "two"


def test_a_function_of_several_sources_is_entered_through_the_one_that_sent() -> None:
    @on_sqs_batch("orders")
    @on_sns("orders")
    async def handle(event: dict[str, Any]) -> list[str]:
        return sorted(event["Records"][0])

    with handler_of(handle) as handler:
        assert "messageId" in handler(sample("sqs/standard"), CONTEXT)
        assert "Sns" in handler(sample("sns/subject_and_attributes"), CONTEXT)


def test_of_one_functions_triggers_it_need_not_be_known_which_one_sent() -> None:
    @on_schedule("rate(1 hour)")
    @on_schedule("rate(1 day)")
    async def tidy(event: dict[str, Any]) -> str:
        return "tidied"

    @on_sqs_batch("one")
    @on_sqs_batch("two")
    async def both(event: dict[str, Any]) -> str:
        return "either"

    with handler_of(tidy, both) as handler:
        assert handler(sample("schedule/rule"), CONTEXT) == "tidied"
        assert handler(sample("sqs/standard"), CONTEXT) == "either", "a stack made up the queue's name"


def test_a_function_that_takes_one_queue_whole_and_another_by_message_has_to_know_which() -> None:
    @on_sqs("one")
    @on_sqs_batch("two")
    async def both(event) -> None: ...  # type: ignore[no-untyped-def]

    with handler_of(both) as handler, pytest.raises(EventDispatchError, match=r"bind .* in the environment"):
        handler(sample("sqs/standard"), CONTEXT)


# Events that no source sends


def test_an_event_of_no_source_is_for_the_only_function_without_one() -> None:
    with handler_of(named("queue", on_sqs_batch("a")), named("direct", lambda handler: handler)) as handler:
        assert handler({"actor": "me"}, CONTEXT) == "direct"
        assert handler(["a", "list"], CONTEXT) == "direct"


def test_an_event_of_no_source_is_refused_where_several_functions_could_be_meant() -> None:
    with (
        handler_of(named("one", lambda handler: handler), named("two", lambda handler: handler)) as handler,
        pytest.raises(EventDispatchError, match=r"no source of this app sends .*\['actor'\].*one, two"),
    ):
        handler({"actor": "me"}, CONTEXT)


def test_a_schedules_input_is_recognised_though_it_may_be_anything() -> None:
    functions = [
        named("hourly", on_schedule("rate(1 hour)", input={"kind": "hourly"})),
        named("daily", on_schedule("rate(1 day)", input={"kind": "daily"})),
        named("direct", lambda handler: handler),
    ]
    with handler_of(*functions) as handler:
        assert handler({"kind": "daily"}, CONTEXT) == "daily"
        assert handler({"kind": "weekly"}, CONTEXT) == "direct"


def test_the_only_schedule_gets_the_clocks_events() -> None:
    with handler_of(named("tidy", on_schedule("rate(1 hour)")), named("bus", on_eventbridge({"a": [1]}))) as handler:
        assert handler(sample("schedule/rule"), CONTEXT) == "tidy"
        assert handler(sample("schedule/scheduler"), CONTEXT) == "tidy"


def test_an_event_written_by_hand_is_the_handlers_to_refuse() -> None:
    with (
        handler_of(named("one", on_s3("aaa")), named("two", on_s3("bbb"))) as handler,
        pytest.raises(EventDispatchError, match="2 triggers ask"),
    ):
        handler({"Records": [{"eventSource": "aws:s3"}]}, CONTEXT)


# Routes


@on_http("GET /orders/{id}")
async def get_order(id: str) -> dict[str, str]:
    return {"order": id}


@on_http("POST /orders")
async def post_order(event: dict[str, Any]) -> dict[str, str]:
    return {"key": event["routeKey"]}


def test_a_request_goes_where_its_route_key_says() -> None:
    with handler_of(get_order, post_order) as handler:
        event = request("GET", "/orders/7", route_key="GET /orders/{id}", pathParameters={"id": "7"})
        assert handler(event, CONTEXT) == {"order": "7"}
        assert handler(request("POST", "/orders", route_key="POST /orders"), CONTEXT) == {"key": "POST /orders"}


@pytest.mark.parametrize("route_key", ["$default", "ANY /{proxy+}"])
def test_behind_one_route_for_everything_the_path_decides(route_key: str) -> None:
    with handler_of(get_order, post_order) as handler:
        assert handler(request("GET", "/orders/a%20b", route_key=route_key), CONTEXT) == {"order": "a b"}
        assert handler(request("POST", "/orders", route_key=route_key), CONTEXT) == {"key": "POST /orders"}


def test_a_stage_is_no_part_of_the_path() -> None:
    with handler_of(get_order) as handler:
        assert handler(request("GET", "/prod/orders/7", stage="prod"), CONTEXT) == {"order": "7"}
        assert handler(request("GET", "/orders/7", stage="prod"), CONTEXT) == {"order": "7"}


def test_a_path_that_no_route_has_is_not_found() -> None:
    with handler_of(get_order) as handler:
        answer = handler(request("GET", "/nowhere"), CONTEXT)
    assert (answer["statusCode"], answer["body"]) == (404, '{"message":"Not Found"}')


def test_a_function_of_several_routes_knows_which_one_was_taken() -> None:
    @on_http("GET /a/{x}")
    @on_http("GET /b/{x}/{y}")
    async def both(x: str, y: str = "none") -> str:
        return f"{x} {y}"

    with handler_of(both, function_name="both") as handler:
        assert handler(request("GET", "/b/1/2"), CONTEXT) == "1 2"
        assert handler(request("GET", "/a/1"), CONTEXT) == "1 none"
