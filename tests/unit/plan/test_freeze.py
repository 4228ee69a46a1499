"""Every mistake of an app is found at once, and says what would be right."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from eventflow import (
    App,
    ConfigurationError,
    Environment,
    EventPattern,
    function,
    on_alexa,
    on_cloudformation,
    on_cognito,
    on_documentdb,
    on_documentdb_batch,
    on_dynamodb_stream,
    on_eventbridge,
    on_http,
    on_kafka,
    on_kafka_batch,
    on_kinesis,
    on_kinesis_batch,
    on_lex,
    on_mq,
    on_mq_batch,
    on_rest,
    on_s3,
    on_schedule,
    on_sns,
    on_sqs,
    on_sqs_batch,
    on_websocket,
    to_eventbridge,
    to_function,
    to_kafka,
    to_mq,
    to_s3,
    to_sns,
    to_sqs,
)


def problems(*decorators: Callable[..., Any], concurrency: int = 1000) -> list[str]:
    async def handler(event: dict[str, Any]) -> None: ...

    marked: Callable[..., Any] = handler
    for decorator in decorators:
        marked = decorator(marked)
    return app_problems(marked, concurrency=concurrency)


def app_problems(*handlers: Callable[..., Any], concurrency: int = 1000) -> list[str]:
    try:
        App(handlers).freeze(Environment(concurrency=concurrency))
    except ConfigurationError as exc:
        return [str(problem) for problem in exc.problems]
    return []


LATER = datetime(2026, 1, 1, tzinfo=UTC)

GOOD = [
    on_sqs("orders"),
    on_sqs_batch("orders", batch_size=10_000, maximum_batching_window_seconds=300),
    on_sqs_batch("orders.fifo", batch_size=10, report_batch_item_failures=True, maximum_concurrency=2),
    on_sqs("orders", filters=[{"body": {"a": ["x"]}}, '{"body": ["plain"]}']),
    on_kinesis("s", starting_position="AT_TIMESTAMP", starting_timestamp=LATER, parallelization_factor=10),
    on_kinesis_batch("s", tumbling_window_seconds=900, bisect_batch_on_function_error=True),
    on_kinesis_batch("s", maximum_retry_attempts=10_000, maximum_record_age_seconds=604_800, on_failure=to_s3("bkt")),
    on_dynamodb_stream("table", view_type="KEYS_ONLY", starting_position="LATEST"),
    on_kafka("topic", consumer_group="g", on_failure=to_kafka("dead")),
    on_kafka("orders", "returns", consumer_group="shop"),
    on_kafka_batch("t", schema_validation_configs=["KEY", "VALUE"], event_record_format="SOURCE"),
    on_documentdb("shop", collection="orders", full_document="UpdateLookup", starting_position="LATEST"),
    on_documentdb_batch("shop", starting_position="AT_TIMESTAMP", starting_timestamp=LATER, batch_size=10_000),
    on_documentdb("shop", maximum_retry_attempts=3, maximum_record_age_seconds=60, on_failure=to_sqs("failures")),
    on_mq("orders", engine="rabbitmq", virtual_host="shop", batch_size=10_000, maximum_batching_window_seconds=300),
    on_mq_batch("my.queue", engine="activemq", maximum_retry_attempts=3, on_failure=to_mq("dead", engine="activemq")),
    on_mq("q", engine="activemq", filters=[{"data": {"a": ["x"]}}], maximum_concurrency=1_000),
    on_s3("bucket", events=["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"], prefix="in/", suffix=".csv"),
    on_sns("topic", filter_policy={"a": ["x"]}),
    on_eventbridge({"source": ["my.app"]}, bus="events"),
    on_schedule("cron(0 12 ? * MON-FRI *)", timezone="Europe/Berlin", input={"a": 1}),
    on_http("GET /orders/{id}"),
    function(timeout_seconds=900, maximum_retry_attempts=0, on_success=to_eventbridge(), on_failure=to_s3("bkt")),
    function(reserved_concurrency=0, dead_letter_queue=to_sns("t"), isolation="none", memory_limit_mb=10_240),
]


@pytest.mark.parametrize("decorator", GOOD)
def test_what_lambda_accepts_is_accepted(decorator: Callable[..., Any]) -> None:
    assert problems(decorator) == []


BAD: list[tuple[Callable[..., Any], str]] = [
    (on_sqs("bad name"), "queue: 'bad name' is not allowed (1 to 80 letters"),
    (on_sqs("q", batch_size=0), "batch_size: 0 is not allowed (a whole number from 1 to 10,000 records)"),
    (on_sqs("q", batch_size=True), "batch_size: True is not allowed"),
    (on_sqs("q.fifo", batch_size=11), "batch_size: 11 is not allowed (a whole number from 1 to 10 records)"),
    (on_sqs("q.fifo", maximum_batching_window_seconds=1), "maximum_batching_window_seconds: 1 is not allowed (FIFO"),
    (on_sqs_batch("q", batch_size=11), "maximum_batching_window_seconds: 0 is too short (batch_size above 10"),
    (on_sqs("q", maximum_batching_window_seconds=301), "301 is not allowed (a number from 0 to 300 seconds)"),
    (on_sqs("q", maximum_concurrency=1), "maximum_concurrency: 1 is not allowed (a whole number from 2 to 1,000)"),
    (on_sqs("q", filters=['{"body": "x"}']), "filters:"),
    (on_kinesis("s", starting_position="SOMEWHERE"), "starting_position: 'SOMEWHERE' is not allowed (one of TRIM"),  # type: ignore[arg-type]
    (on_kinesis("s", starting_position="AT_TIMESTAMP"), "starting_timestamp: is missing (AT_TIMESTAMP needs"),
    (on_kinesis("s", starting_timestamp=LATER), "starting_timestamp: is set (it goes with"),
    (on_kinesis("s", parallelization_factor=11), "parallelization_factor: 11 is not allowed"),
    (on_kinesis("s", maximum_record_age_seconds=59), "maximum_record_age_seconds: 59 is not allowed (-1 for no limit"),
    (on_kinesis("s", maximum_retry_attempts=-2), "maximum_retry_attempts: -2 is not allowed"),
    (on_kinesis_batch("s", tumbling_window_seconds=901), "tumbling_window_seconds: 901 is not allowed"),
    (
        on_kinesis_batch("s", tumbling_window_seconds=60, parallelization_factor=2),
        "tumbling_window_seconds: cannot be combined with parallelization_factor",
    ),
    (on_kinesis("s", on_failure=to_eventbridge("b")), "eventbridge:b is not allowed here (one of sqs, sns, s3)"),
    (on_kinesis("s", on_failure=to_kafka("t")), "kafka:t is not allowed here"),
    (on_dynamodb_stream("t"), "table: 't' is not allowed (3 to 255"),
    (on_dynamodb_stream("table", view_type="ALL"), "view_type: 'ALL' is not allowed (one of KEYS_ONLY"),  # type: ignore[arg-type]
    (on_kafka("bad topic"), "topic: 'bad topic' is not allowed"),
    (on_kafka_batch("t", tumbling_window_seconds=60), "tumbling_window_seconds: 60 is not allowed (Kinesis and"),
    (on_kafka("t", on_failure=to_kafka("t")), "kafka:t is a source of the same function (use another one)"),
    (on_kafka("s", "t", on_failure=to_kafka("t")), "kafka:t is a source of the same function (use another one)"),
    (on_kafka("s", "t+u"), '@on_kafka("s", "t+u"): topic: \'t+u\' is not allowed'),
    (on_kafka("t", "t"), "reads kafka:t 2 times"),
    (on_kafka("t", schema_validation_configs=["BODY"]), "schema_validation_configs: 'BODY' is not allowed"),  # type: ignore[list-item]  # on purpose
    (
        on_kafka("t", schema_validation_configs=["KEY"], event_record_format="AVRO"),  # type: ignore[arg-type]  # on purpose
        "event_record_format: 'AVRO' is not allowed (one of JSON, SOURCE)",
    ),
    (on_kafka("t", event_record_format="JSON"), "schema_validation_configs: is missing: event_record_format is set"),
    (on_documentdb("a.b"), "database: 'a.b' is not allowed (1 to 63 characters, no space"),
    (on_documentdb("shop", collection=""), "collection: '' is not allowed (1 to 57 characters"),
    (on_documentdb("shop", collection="system.users"), "collection: 'system.users' is not allowed"),
    (on_documentdb("shop", full_document="Required"), "full_document: 'Required' is not allowed (one of Default, Up"),  # type: ignore[arg-type]
    (on_documentdb("shop", starting_position="AT_TIMESTAMP"), "starting_timestamp: is missing"),
    (on_documentdb("shop", batch_size=0), "batch_size: 0 is not allowed"),
    (on_documentdb("shop", on_failure=to_kafka("t")), "kafka:t is not allowed here (one of sqs, sns, s3)"),
    (on_mq("", engine="rabbitmq"), "queue: '' is not allowed (1 to 1,000 characters without ::)"),
    (on_mq("a::b", engine="rabbitmq"), "queue: 'a::b' is not allowed"),
    (on_mq("q", engine="rabbitmq", virtual_host=""), "virtual_host: '' is not allowed"),
    (on_mq("q", engine="activemq", virtual_host="shop"), "virtual_host: 'shop' is not allowed (only RabbitMQ has"),
    (on_mq("q", engine="rabbitmq", batch_size=10_001), "batch_size: 10001 is not allowed"),
    (on_mq("q", engine="rabbitmq", maximum_concurrency=0), "maximum_concurrency: 0 is not allowed (a whole number"),
    (on_mq("q", engine="rabbitmq", maximum_retry_attempts=-2), "maximum_retry_attempts: -2 is not allowed"),
    (on_mq("q", engine="rabbitmq", filters=['{"data": "x"}']), "filters:"),
    (on_mq("q", engine="rabbitmq", on_failure=to_sqs("f")), "on_failure: is set (it goes with maximum_retry_attempts"),
    (
        on_mq("q", engine="rabbitmq", maximum_retry_attempts=1, on_failure=to_mq("q", engine="rabbitmq")),
        "rabbitmq:q is a source of the same function",
    ),
    (function(on_failure=to_mq("q", engine="rabbitmq")), "on_failure: rabbitmq:q is not allowed here"),
    (on_s3("Bucket"), "bucket: 'Bucket' is not allowed (3 to 63"),
    (on_s3("bucket", events="ObjectCreated"), "events: 'ObjectCreated' is not an S3 event (for example"),
    (on_s3("bucket", events=[]), "events: is empty"),
    (on_sns("t.fifo"), "topic: 't.fifo' is not allowed"),
    (on_sns("t", filter_policy={"a": "x"}), "filter_policy:"),
    (on_eventbridge({"source": "x"}), "pattern:"),
    (on_eventbridge("not json"), "pattern:"),
    (on_schedule("rate(1 minutes)"), "expression: 'rate(1 minutes)' is not valid"),
    (on_schedule("cron(* * * * * *)"), "expression: 'cron(* * * * * *)' is not valid"),
    (on_schedule("rate(1 minute)", timezone="Mars/Olympus"), "expression:"),
    (on_http("FETCH /orders"), "route:"),
    (on_http("GET orders"), "route:"),
    (function(name="bad name"), "name: 'bad name' is not allowed (1 to 64 letters"),
    (function(timeout_seconds=0), "timeout_seconds: 0 is not allowed (from 1 to 900 seconds)"),
    (function(timeout_seconds=901), "timeout_seconds: 901 is not allowed"),
    (function(maximum_retry_attempts=3), "maximum_retry_attempts: 3 is not allowed (from 0 to 2 retries)"),
    (function(maximum_event_age_seconds=59), "maximum_event_age_seconds: 59 is not allowed"),
    (function(memory_limit_mb=64), "memory_limit_mb: 64 is not allowed"),
    (function(reserved_concurrency=-1), "reserved_concurrency: -1 is not allowed (a whole number from 0"),
    (function(isolation="thread"), "isolation: 'thread' is not allowed ('none' or 'process')"),  # type: ignore[call-overload]
    (function(isolation="process"), "'process' cannot import a nested function"),
    (function(on_success=to_s3("bkt")), "on_success: s3:bkt is not allowed here (one of sqs, sns, eventbridge"),
    (function(on_failure=to_sqs("q.fifo")), "on_failure: sqs:q.fifo is a FIFO queue or topic"),
    (function(on_failure=to_function("handler")), "You can't specify the function as a destination for itself."),
    (function(on_failure=to_function("nobody")), "there is no function 'nobody' (known: handler)"),
    (function(on_failure="sqs:q"), "on_failure: 'sqs:q' is not a destination (use to_sqs(...)"),  # type: ignore[call-overload]
    (function(dead_letter_queue=to_eventbridge("b")), "dead_letter_queue: eventbridge:b is not allowed here"),
    (function(reserved_concurrency=950), "reserved_concurrency: adds up to 950 (at most 900"),
]


@pytest.mark.parametrize(("decorator", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_what_lambda_refuses_is_refused(decorator: Callable[..., Any], message: str) -> None:
    assert any(message in problem for problem in problems(decorator)), problems(decorator)


def test_problems_name_the_function_and_the_decorator() -> None:
    [problem] = problems(on_sqs("q", batch_size=0))
    assert problem.startswith(f'{__name__}.problems.<locals>.handler @on_sqs("q"): batch_size:')


def test_every_mistake_is_reported_at_once() -> None:
    found = problems(on_sqs("q", batch_size=0), on_http("GET x"), function(timeout_seconds=0, memory_limit_mb=1))
    assert len(found) == 4


def test_kafka_functions_end_a_minute_earlier() -> None:
    [problem] = problems(on_kafka("t"), function(timeout_seconds=900))
    assert "from 1 to 840 seconds behind kafka" in problem


def test_functions_behind_documentdb_end_a_minute_earlier() -> None:
    [problem] = problems(on_documentdb("shop"), function(timeout_seconds=900))
    assert "from 1 to 840 seconds behind documentdb" in problem


@pytest.mark.parametrize("engine", ["rabbitmq", "activemq"])
def test_functions_behind_message_queues_end_a_minute_earlier(engine: Any) -> None:
    [problem] = problems(on_mq("q", engine=engine), function(timeout_seconds=900))
    assert f"from 1 to 840 seconds behind {engine}" in problem


def test_two_handlers_on_one_route() -> None:
    @on_http("GET /orders/{id}")
    def one(event: dict[str, Any]) -> None: ...

    @on_http("GET /orders/{name}")
    def two(event: dict[str, Any]) -> None: ...

    [problem] = app_problems(one, two)
    assert 'two @on_http("GET /orders/{name}"): answers the same route as' in problem
    assert 'one @on_http("GET /orders/{id}")' in problem


def test_two_functions_with_one_name() -> None:
    @function(name="same")
    def one() -> None: ...

    @function(name="same")
    def two() -> None: ...

    [problem] = app_problems(one, two)
    assert "2 functions are called 'same'" in problem


def test_one_source_twice_on_one_function() -> None:
    [problem] = problems(on_sqs("q"), on_sqs_batch("q"))
    assert "reads sqs:q 2 times" in problem


def test_reservations_fit_the_environment() -> None:
    @function(reserved_concurrency=7)
    def one() -> None: ...

    assert app_problems(one, concurrency=7) == []
    assert "adds up to 7 (the environment's concurrency is 6)" in app_problems(one, concurrency=6)[0]


def test_two_function_decorators_are_one_too_many() -> None:
    with pytest.raises(ConfigurationError, match="has two @function decorators"):
        problems(function(timeout_seconds=1), function(timeout_seconds=2))


def test_decorators_return_the_function_itself() -> None:
    def handler() -> int:
        return 7

    marked = function(on_sqs("q")(on_http("GET /")(handler)))
    assert marked is handler
    assert marked() == 7


def test_triggers_are_read_from_the_top_down() -> None:
    @on_sqs("first")
    @on_sqs("second")
    def handler(event: dict[str, Any]) -> None: ...

    [definition] = App([handler]).functions
    assert [trigger.name for trigger in definition.triggers] == ["first", "second"]


def test_a_class_cannot_be_decorated_by_accident() -> None:
    with pytest.raises(ConfigurationError, match="which is not a function"):
        on_sqs("q")(7)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "bare",
    [on_http, on_rest, on_websocket, on_sqs, on_sqs_batch, on_kinesis, on_dynamodb_stream, on_documentdb, on_s3, on_sns,
     on_schedule, on_cognito, on_cloudformation, on_alexa, on_lex],
)  # fmt: skip
def test_a_decorator_without_parentheses_does_not_lose_its_function(bare: Callable[..., Any]) -> None:
    def handler() -> None: ...

    with pytest.raises(ConfigurationError) as refusal:
        bare(handler)
    [problem] = refusal.value.problems
    assert problem.where.endswith(".handler")
    assert problem.message == f"@{bare.__name__} needs parentheses, and in them what it is about"


def test_an_unmarked_function_cannot_be_included() -> None:
    def plain() -> None: ...

    with pytest.raises(ConfigurationError, match="has no eventflow decorator"):
        App([plain])


def test_an_app_takes_every_marked_function_of_a_module_once() -> None:
    module = ModuleType("shop_for_tests")

    def handler() -> None: ...

    vars(module).update(one=function(handler), two=handler, other=len, sys=sys)
    app = App.from_module(module).include(handler)
    assert [definition.name for definition in app.functions] == ["handler"]
    assert app.name == "shop_for_tests"
    with pytest.raises(ConfigurationError, match="empty_module: has no eventflow decorator"):
        App([ModuleType("empty_module")])


def test_a_marked_method_is_a_mistake_since_nothing_would_call_it() -> None:
    module = ModuleType("shop_for_tests")

    class Handlers:
        @staticmethod
        @on_sqs("q")
        def work(message: str) -> None: ...

    Handlers.__module__ = module.__name__
    vars(module).update(Handlers=Handlers, handler=function(lambda: None))
    with pytest.raises(ConfigurationError, match=r"Handlers\.work: has an eventflow decorator, but is in a class"):
        App.from_module(module)


def test_freezing_opens_nothing_and_can_be_repeated() -> None:
    @on_sqs("q")
    @function(on_failure=to_sqs("dead"))
    def handler(event: dict[str, Any]) -> None: ...

    app = App([handler], name="shop")
    plan = app.freeze(Environment())
    assert plan.app_name == "shop"
    assert [str(destination) for destination in plan.destinations()] == ["sqs:dead"]
    assert plan.adapters() == ("local",)
    assert [queue.subscription.subscriber for queue in plan.queues] == ["handler"]
    assert app.freeze(Environment()).functions.keys() == plan.functions.keys()


def test_patterns_are_public() -> None:
    assert EventPattern({"source": ["a"]}).matches({"source": "a"})
