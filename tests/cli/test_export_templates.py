"""``eventflow export sam`` and ``cloudformation``: every option of every trigger, or a word about what is left out."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
import yaml
from click.testing import CliRunner

from eventflow import (
    Cors,
    WebSocketApi,
    function,
    http_authorizer,
    jwt_authorizer,
    on_alb,
    on_alexa,
    on_cloudformation,
    on_cloudfront,
    on_cognito,
    on_documentdb_batch,
    on_dynamodb_stream,
    on_eventbridge,
    on_function_url,
    on_http,
    on_kafka,
    on_kafka_batch,
    on_kinesis_batch,
    on_lex,
    on_mq,
    on_rest,
    on_s3,
    on_schedule,
    on_sns,
    on_sqs,
    on_sqs_batch,
    on_websocket,
    rest_authorizer,
    to_eventbridge,
    to_function,
    to_kafka,
    to_s3,
    to_sns,
    to_sqs,
    websocket_authorizer,
)
from eventflow.app import App
from eventflow.cli.group import cli
from eventflow.cli.templates import yaml_text
from eventflow.model.deployment import Deployment
from eventflow.plan.environment import Environment, SourceBinding
from eventflow.ports import Template, TemplateKind
from eventflow.run.managing import template
from tests.cloud.environments import EXAMPLES
from tests.servers import sam
from tests.servers.fixtures import installed
from tests.servers.installing import installation

NAMES: Final = ("shop.py", "warehouse.py", "streams.py", "brokers.py", "chat.py")
CLUSTER: Final = "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/1a2b"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _examples_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def export(kind: str, example: str, *options: str) -> tuple[str, str]:
    result = CliRunner().invoke(cli, ["export", kind, example, "--env", "aws", *options])
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


@cache
def resources(example: str) -> dict[str, Any]:
    """What AWS's translator makes of an example's template."""
    found: dict[str, Any] = yaml.load(export("cloudformation", example)[0], Loader=_Loader)["Resources"]
    return found


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's tags as text: ``!Ref Orders`` is ``Orders``."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: node.value)


def of_type(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: item.get("Properties", {}) for name, item in found.items() if item["Type"] == kind}


def exported(
    *functions: Any,
    existing: bool = False,
    bound: dict[str, str] | None = None,
    sources: dict[str, SourceBinding] | None = None,
    kind: TemplateKind = TemplateKind.SAM,
    cors: Cors | None = None,
    websocket_api: WebSocketApi | None = None,
) -> Template:
    environment = Environment(
        name="test",
        adapter="aws",
        region="eu-west-1",
        region_is_default=False,
        resources=bound or {},
        sources=sources or {},
    )
    plan = App(functions, name="test", cors=cors, websocket_api=websocket_api).freeze(environment)
    deployment = Deployment(
        app_name="test",
        functions=tuple(item.definition for item in plan.functions.values()),
        handler="eventflow.aws_lambda.handler",
        runtime="python3.13",
        variables={"EVENTFLOW_APP": "test"},
        function_variable="EVENTFLOW_FUNCTION",
        code=None,
        existing=existing,
        cors=plan.cors,
        websocket_api=plan.websocket_api,
        options={service: binding.options for service, binding in environment.sources.items()},
    )
    return template(plan, deployment, kind)


def event_of(found: Template, function_id: str) -> dict[str, Any]:
    [event] = found.document["Resources"][function_id]["Properties"]["Events"].values()
    properties: dict[str, Any] = event["Properties"]
    return properties


def said(found: Template) -> str:
    return "\n".join(f"{remark.where}: {remark.message}" for remark in found.remarks)


# What AWS's own tools say


def test_the_linter_finds_nothing_in_either_kind_of_template(tmp_path: Path) -> None:
    """The examples' SAM templates are linted below; a template takes the linter seconds."""
    texts = {
        "existing": export("cloudformation", "warehouse.py", "--existing-resources")[0],
        "called": yaml_text(called(TemplateKind.CLOUDFORMATION).document),
        "broken": export("sam", "brokers.py")[0].replace("MemorySize: 128", "MemorySize: 100", 1),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    with installed():
        program = sam.linter(installation("sam"))
    command: list[str | Path] = [program, "--format", "parseable", *sorted(tmp_path.iterdir())]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    assert any("broken.yaml" in line and "E3034" in line for line in found), "the linter looks at what matters"
    assert [line for line in found if "broken.yaml" not in line] == []


def test_sam_validates_the_examples_templates(tmp_path: Path) -> None:
    files = []
    for example in NAMES:
        files.append(tmp_path / f"{example}.yaml")
        files[-1].write_text(export("sam", example)[0])
    with installed():
        command = sam.validation(installation("sam"), *files)
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is a valid SAM Template") == len(NAMES), done.stdout


def test_the_translator_makes_what_the_warehouse_names() -> None:
    found = resources("warehouse.py")
    assert Counter(item["Type"] for item in found.values()) == {
        "AWS::ApiGatewayV2::Api": 1,
        "AWS::ApiGatewayV2::Stage": 1,
        "AWS::DynamoDB::Table": 1,
        "AWS::Events::EventBus": 1,
        "AWS::Events::Rule": 1,
        "AWS::IAM::Role": 7,
        "AWS::Kinesis::Stream": 1,
        "AWS::Lambda::EventInvokeConfig": 3,
        "AWS::Lambda::EventSourceMapping": 3,
        "AWS::Lambda::Function": 7,
        "AWS::Lambda::Permission": 4,
        "AWS::S3::Bucket": 1,
        "AWS::SNS::Subscription": 1,
        "AWS::SNS::Topic": 2,
        "AWS::SQS::Queue": 5,
    }
    mappings = of_type(found, "AWS::Lambda::EventSourceMapping")
    assert mappings["UnloadFunctionSQS1"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    watch = mappings["WatchFunctionKinesis1"]
    assert (watch["ParallelizationFactor"], watch["MaximumRetryAttempts"]) == (2, 3)
    assert watch["DestinationConfig"] == {"OnFailure": {"Destination": "UnreadQueue.Arn"}}
    [subscription] = of_type(found, "AWS::SNS::Subscription").values()
    assert subscription["FilterPolicy"] == {"severity": ["high"]}
    [rule] = of_type(found, "AWS::Events::Rule").values()
    assert rule["EventPattern"] == {"source": ["shop"], "detail-type": ["OrderPlaced"]}
    [bucket] = of_type(found, "AWS::S3::Bucket").values()
    [notification] = bucket["NotificationConfiguration"]["LambdaConfigurations"]
    assert notification["Function"] == "FileNoteFunction.Arn"
    configured = of_type(found, "AWS::Lambda::EventInvokeConfig")["FileNoteFunctionEventInvokeConfig"]
    assert configured["MaximumRetryAttempts"] == 0
    assert configured["DestinationConfig"] == {
        "OnSuccess": {"Destination": "FiledQueue.Arn"},
        "OnFailure": {"Destination": "UnfiledQueue.Arn"},
    }


def test_the_translator_makes_what_the_shop_names() -> None:
    found = resources("shop.py")
    [api] = of_type(found, "AWS::ApiGatewayV2::Api").values()
    assert sorted(api["Body"]["paths"]) == ["/", "/orders", "/orders/{id}"]
    assert list(api["Body"]["paths"]["/orders"]) == ["post"]
    orders = of_type(found, "AWS::Lambda::EventSourceMapping")["FulfilFunctionSQS1"]
    assert (orders["BatchSize"], orders["MaximumBatchingWindowInSeconds"]) == (100, 5)
    [schedule] = of_type(found, "AWS::Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    functions = of_type(found, "AWS::Lambda::Function")
    assert functions["ImportCsvFunction"]["Timeout"] == 60
    variables = functions["ImportCsvFunction"]["Environment"]["Variables"]
    assert variables == {"EVENTFLOW_APP": "shop", "EVENTFLOW_ENV": "aws", "EVENTFLOW_FUNCTION": "import_csv"}
    assert {item["Handler"] for item in functions.values()} == {"eventflow.aws_lambda.handler"}
    assert functions["HelloFunction"]["Code"] == {"S3Bucket": "CodeBucket", "S3Key": "CodeKey"}


# Every option


def test_functions_have_their_settings() -> None:
    @function(
        timeout_seconds=2.5,
        memory_limit_mb=512,
        reserved_concurrency=7,
        maximum_retry_attempts=1,
        maximum_event_age_seconds=90,
        on_success=to_function("other"),
        on_failure=to_s3("failures"),
        dead_letter_queue=to_sns("dead"),
    )
    async def work() -> None: ...

    @function
    async def other() -> None: ...

    found = exported(work, other)
    properties = found.document["Resources"]["WorkFunction"]["Properties"]
    assert (properties["Timeout"], properties["MemorySize"], properties["ReservedConcurrentExecutions"]) == (3, 512, 7)
    assert properties["EventInvokeConfig"] == {
        "MaximumRetryAttempts": 1,
        "MaximumEventAgeInSeconds": 90,
        "DestinationConfig": {
            "OnSuccess": {"Type": "Lambda", "Destination": {"Fn::GetAtt": ["OtherFunction", "Arn"]}},
            "OnFailure": {"Type": "S3Bucket", "Destination": {"Fn::GetAtt": ["FailuresBucket", "Arn"]}},
        },
    }
    assert properties["DeadLetterQueue"] == {"Type": "SNS", "TargetArn": {"Ref": "DeadTopic"}}
    assert "timeout_seconds of 2.5 is 3 s there" in said(found)
    assert "EventInvokeConfig" not in found.document["Resources"]["OtherFunction"]["Properties"]
    assert exported(work, other, kind=TemplateKind.CLOUDFORMATION)


def test_a_queue_has_every_option() -> None:
    @on_sqs_batch(
        "orders",
        batch_size=50,
        maximum_batching_window_seconds=1.5,
        filters=[{"body": {"kind": ["a"]}}],
        report_batch_item_failures=True,
        maximum_concurrency=5,
    )
    @function(timeout_seconds=10)
    async def work(event: dict[str, Any]) -> None: ...

    found = exported(work)
    assert event_of(found, "WorkFunction") == {
        "Queue": {"Fn::GetAtt": ["OrdersQueue", "Arn"]},
        "BatchSize": 50,
        "MaximumBatchingWindowInSeconds": 2,
        "FilterCriteria": {"Filters": [{"Pattern": '{"body": {"kind": ["a"]}}'}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 5},
    }
    assert "maximum_batching_window_seconds of 1.5 s is 2 s there" in said(found)
    queue = found.document["Resources"]["OrdersQueue"]["Properties"]
    assert queue["VisibilityTimeout"] == 62, "six times the function's timeout, and the window"
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["OrdersQueueDeadLetters", "Arn"]}


def test_a_fifo_queue_and_its_dead_letters_are_fifo() -> None:
    @on_sqs("orders.fifo")
    async def work(event: str) -> None: ...

    made = exported(work).document["Resources"]
    assert made["OrdersFifoQueue"]["Properties"]["FifoQueue"] is True
    assert made["OrdersFifoQueueDeadLetters"]["Properties"]["FifoQueue"] is True


STREAM_OPTIONS: Final[dict[str, Any]] = {
    "batch_size": 20,
    "maximum_batching_window_seconds": 3,
    "bisect_batch_on_function_error": True,
    "maximum_retry_attempts": 4,
    "maximum_record_age_seconds": 120,
    "on_failure": to_s3("failures"),
}
STREAM_PROPERTIES: Final[dict[str, Any]] = {
    "BatchSize": 20,
    "MaximumBatchingWindowInSeconds": 3,
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 4,
    "MaximumRecordAgeInSeconds": 120,
    "DestinationConfig": {"OnFailure": {"Type": "S3", "Destination": {"Fn::GetAtt": ["FailuresBucket", "Arn"]}}},
}


def test_a_stream_has_every_option() -> None:
    @on_kinesis_batch(
        "clicks",
        starting_position="AT_TIMESTAMP",
        starting_timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        tumbling_window_seconds=60,
        report_batch_item_failures=True,
        filters=['{"data": {"a": [1]}}'],
        **STREAM_OPTIONS,
    )
    async def work(event: dict[str, Any]) -> None: ...

    found = exported(work)
    assert event_of(found, "WorkFunction") == {
        "Stream": {"Fn::GetAtt": ["ClicksStream", "Arn"]},
        "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": 1767225600,
        "FilterCriteria": {"Filters": [{"Pattern": '{"data": {"a": [1]}}'}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "TumblingWindowInSeconds": 60,
        **STREAM_PROPERTIES,
    }


def test_a_table_has_every_option_and_its_own_stream_where_it_is_made() -> None:
    @on_dynamodb_stream("stock", view_type="KEYS_ONLY", parallelization_factor=4, **STREAM_OPTIONS)
    async def work(event: dict[str, Any]) -> None: ...

    found = exported(work)
    assert event_of(found, "WorkFunction") == {
        "Stream": {"Fn::GetAtt": ["StockTable", "StreamArn"]},
        "StartingPosition": "TRIM_HORIZON",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ParallelizationFactor": 4,
        **STREAM_PROPERTIES,
    }
    table = found.document["Resources"]["StockTable"]["Properties"]
    assert table["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}
    existing = exported(work, existing=True)
    assert event_of(existing, "WorkFunction")["Stream"] == {"Ref": "StockStreamArn"}
    assert "StockStreamArn" in existing.document["Parameters"]


def test_kafka_on_msk_has_every_option() -> None:
    options = {**STREAM_OPTIONS, "on_failure": to_kafka("failures")}

    @on_kafka("payments", consumer_group="booking", parallelization_factor=2, **options)
    async def work(event: bytes) -> None: ...

    found = exported(work, bound={"kafka:payments": CLUSTER})
    assert event_of(found, "WorkFunction") == {
        **STREAM_PROPERTIES,
        "Stream": CLUSTER,
        "Topics": ["payments"],
        "StartingPosition": "TRIM_HORIZON",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ConsumerGroupId": "booking",
        "ProvisionedPollerConfig": {"MinimumPollers": 1},
        "DestinationConfig": {"OnFailure": {"Type": "Kafka", "Destination": "kafka://failures"}},
    }
    assert "parallelization_factor is not Lambda's for Kafka" in said(found)
    assert "provisioned pollers, which cost" in said(found)


def test_kafka_of_ones_own_is_reached_as_the_environment_says() -> None:
    @on_kafka_batch("payments")
    async def work(event: dict[str, Any]) -> None: ...

    options = {"bootstrap_servers": ["a:9096", "b:9096"], "authentication": "sasl-scram"}
    found = exported(work, sources={"kafka": SourceBinding(adapter="kafka", options=options)})
    assert event_of(found, "WorkFunction") == {
        "KafkaBootstrapServers": ["a:9096", "b:9096"],
        "Topics": ["payments"],
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 100,
        "SourceAccessConfigurations": [{"Type": "SASL_SCRAM_512_AUTH", "URI": {"Ref": "KafkaSecretArn"}}],
    }


def test_what_only_eventflow_has_for_message_queues_and_documentdb_is_told() -> None:
    @on_mq("orders", engine="rabbitmq", virtual_host="shop", maximum_concurrency=3, maximum_retry_attempts=2,
           on_failure=to_sqs("failed"), batch_size=7, filters=[{"data": {"a": [1]}}])  # fmt: skip
    async def queue(event: bytes) -> None: ...

    @on_documentdb_batch("shop", collection="customers", full_document="UpdateLookup", maximum_retry_attempts=2,
                         maximum_record_age_seconds=60, on_failure=to_sqs("failed"))  # fmt: skip
    async def changes(event: dict[str, Any]) -> None: ...

    found = exported(queue, changes)
    assert event_of(found, "QueueFunction") == {
        "Broker": {"Ref": "RabbitMqBrokerArn"},
        "Queues": ["orders"],
        "SourceAccessConfigurations": [
            {"Type": "BASIC_AUTH", "URI": {"Ref": "RabbitMqSecretArn"}},
            {"Type": "VIRTUAL_HOST", "URI": "shop"},
        ],
        "BatchSize": 7,
        "FilterCriteria": {"Filters": [{"Pattern": '{"data": {"a": [1]}}'}]},
    }
    assert event_of(found, "ChangesFunction") == {
        "Cluster": {"Ref": "DocumentDbClusterArn"},
        "DatabaseName": "shop",
        "CollectionName": "customers",
        "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": {"Ref": "DocumentDbSecretArn"}}],
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 100,
        "FullDocument": "UpdateLookup",
    }
    for option in ("maximum_concurrency", "maximum_retry_attempts", "on_failure"):
        assert f"{option} is eventflow's own for rabbitmq" in said(found)
    for option in ("maximum_retry_attempts", "maximum_record_age_seconds", "on_failure"):
        assert f"{option} is eventflow's own for documentdb" in said(found)
    assert "FailedQueue" not in found.document["Resources"]


def test_pushed_sources_have_every_option() -> None:
    @on_http("$default")
    @on_http("ANY /files/{name+}")
    async def http(event: dict[str, Any]) -> None: ...

    @on_s3("uploads", events=["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"], prefix="in/", suffix=".csv")
    async def files(event: dict[str, Any]) -> None: ...

    @on_sns("alarms", filter_policy={"zone": ["a"]}, filter_policy_scope="MessageBody")
    async def alarms(event: dict[str, Any]) -> None: ...

    @on_eventbridge({"source": ["shop"]})
    async def default_bus(event: dict[str, Any]) -> None: ...

    @on_schedule("cron(0 12 * * ? *)", timezone="Europe/Berlin", input={"kind": "noon"})
    async def noon(event: dict[str, Any]) -> None: ...

    found = exported(http, files, alarms, default_bus, noon)
    routes = found.document["Resources"]["HttpFunction"]["Properties"]["Events"]
    assert routes["HttpApi1"]["Properties"] == {"PayloadFormatVersion": "2.0"}
    assert routes["HttpApi2"]["Properties"] == {
        "Path": "/files/{name+}",
        "Method": "any",
        "PayloadFormatVersion": "2.0",
    }
    assert event_of(found, "FilesFunction") == {
        "Bucket": {"Ref": "UploadsBucket"},
        "Events": ["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"],
        "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".csv"}]}},
    }
    assert event_of(found, "AlarmsFunction") == {
        "Topic": {"Ref": "AlarmsTopic"},
        "FilterPolicy": {"zone": ["a"]},
        "FilterPolicyScope": "MessageBody",
    }
    assert event_of(found, "DefaultBusFunction") == {"Pattern": {"source": ["shop"]}}
    assert event_of(found, "NoonFunction") == {
        "ScheduleExpression": "cron(0 12 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "Input": '{"kind": "noon"}',
    }
    found = exported(http, files, alarms, default_bus, noon, kind=TemplateKind.CLOUDFORMATION)
    made = found.document["Resources"]
    assert "$default" in made["ServerlessHttpApi"]["Properties"]["Body"]["paths"]


# Fronts of HTTP, and services that call one function


@http_authorizer(identity_sources=["$request.header.X-Key", "$request.querystring.key"], result_ttl_seconds=60)
async def by_key(event: dict[str, Any]) -> dict[str, Any]:
    return {"isAuthorized": True}


@rest_authorizer(identity_validation_expression="Bearer .*")
async def by_token(event: dict[str, Any]) -> dict[str, Any]:
    return {}


@rest_authorizer("REQUEST", identity_sources=["method.request.header.X-Key"], result_ttl_seconds=0)
async def by_request(event: dict[str, Any]) -> dict[str, Any]:
    return {}


SIGNED_IN: Final = jwt_authorizer("https://id.example.com", audience="shop")


@on_http("GET /v1", payload_format_version="1.0")
@on_http("GET /tokens", authorizer=SIGNED_IN, scopes=["orders.read"])
@on_http("GET /keys", authorizer=by_key)
async def api(event: dict[str, Any]) -> None: ...


@on_rest("GET /orders/{id}", authorizer=by_token)
@on_rest("ANY /files/{path+}", authorizer=by_request, binary_media_types=["image/*"])
async def resources_of_rest(event: dict[str, Any]) -> None: ...


@on_function_url(invoke_mode="RESPONSE_STREAM", cors=Cors(allow_origins=("https://shop.example.com",)))
async def chat(event: dict[str, Any]) -> None: ...


@on_alb("/api/*", http_request_method="GET")
@on_alb(host_header="*.example.com", query_string={"v": "2"}, http_header={"X-A": ["b", "c"]}, priority=7)
@on_alb(multi_value_headers=True)
async def behind_balancer(event: dict[str, Any]) -> None: ...


@on_cognito("users", "PreSignUp", "PreTokenGeneration")
async def sign_up(event: dict[str, Any]) -> None: ...


@on_cognito("users", "CustomEmailSender")
async def send_mail(event: dict[str, Any]) -> None: ...


@on_alexa("amzn1.ask.skill.x")
async def skill(event: dict[str, Any]) -> None: ...


@on_alexa("amzn1.ask.skill.x", intent="Recipe")
async def recipe(event: dict[str, Any]) -> None: ...


@on_lex("orders")
async def bot(event: dict[str, Any]) -> None: ...


@on_cloudformation("policies")
async def policy(event: dict[str, Any]) -> None: ...


@on_cloudformation()
async def quota(event: dict[str, Any]) -> None: ...


@on_cloudfront("web", "viewer-request")
async def edge(event: dict[str, Any]) -> None: ...


@websocket_authorizer(identity_sources=["route.request.querystring.name"])
async def introduced(event: dict[str, Any]) -> dict[str, Any]:
    return {}


@on_websocket("$connect", authorizer=introduced)
@on_websocket("say", route_response=True)
async def talk(event: dict[str, Any]) -> None: ...


@on_websocket("$default")
async def listen(event: dict[str, Any]) -> None: ...


CALLED: Final = (
    by_key, by_token, by_request, api, resources_of_rest, chat, behind_balancer, sign_up, send_mail, skill, recipe, bot,
    policy, quota, edge, introduced, talk, listen,
)  # fmt: skip
ROOM: Final = WebSocketApi(stage="room", route_selection_expression="$request.body.kind", binary_frames=True)
CORS: Final = Cors(allow_origins=("https://shop.example.com",), allow_methods=("GET",), max_age_seconds=60)


@cache
def called(kind: TemplateKind = TemplateKind.SAM) -> Template:
    return exported(*CALLED, cors=CORS, websocket_api=ROOM, kind=kind)


def test_routes_have_their_format_their_authorizers_and_cors() -> None:
    events = called().document["Resources"]["ApiFunction"]["Properties"]["Events"].values()
    tokens = "HttpsIdExampleComShopTokens"
    assert [event["Properties"] for event in events] == [
        {"Path": "/v1", "Method": "get", "PayloadFormatVersion": "1.0"},
        {
            "Path": "/tokens",
            "Method": "get",
            "PayloadFormatVersion": "2.0",
            "Auth": {"Authorizer": tokens, "AuthorizationScopes": ["orders.read"]},
        },
        {"Path": "/keys", "Method": "get", "PayloadFormatVersion": "2.0", "Auth": {"Authorizer": "ByKeyAuthorizer"}},
    ]
    said_of_all = called().document["Globals"]["HttpApi"]
    assert said_of_all["CorsConfiguration"] == {
        "AllowOrigins": ["https://shop.example.com"],
        "AllowMethods": ["GET"],
        "MaxAge": 60,
    }
    assert said_of_all["Auth"]["Authorizers"] == {
        tokens: {
            "IdentitySource": "$request.header.Authorization",
            "JwtConfiguration": {"issuer": "https://id.example.com", "audience": ["shop"]},
        },
        "ByKeyAuthorizer": {
            "AuthorizerPayloadFormatVersion": "2.0",
            "EnableSimpleResponses": True,
            "Identity": {"Headers": ["X-Key"], "QueryStrings": ["key"], "ReauthorizeEvery": 60},
            "FunctionArn": {"Fn::GetAtt": ["ByKeyFunction", "Arn"]},
            "EnableFunctionDefaultPermissions": True,
        },
    }


def test_a_rest_api_has_its_authorizers_and_binary_types() -> None:
    events = called().document["Resources"]["ResourcesOfRestFunction"]["Properties"]["Events"]
    assert [(event["Type"], event["Properties"]) for event in events.values()] == [
        ("Api", {"Path": "/orders/{id}", "Method": "get", "Auth": {"Authorizer": "ByTokenAuthorizer"}}),
        ("Api", {"Path": "/files/{path+}", "Method": "any", "Auth": {"Authorizer": "ByRequestAuthorizer"}}),
    ]
    said_of_all = called().document["Globals"]["Api"]
    assert said_of_all["BinaryMediaTypes"] == ["image~1*"]
    authorizers = said_of_all["Auth"]["Authorizers"]
    assert authorizers["ByTokenAuthorizer"]["Identity"] == {
        "Header": "Authorization",
        "ReauthorizeEvery": 300,
        "ValidationExpression": "Bearer .*",
    }
    assert authorizers["ByRequestAuthorizer"]["FunctionPayloadType"] == "REQUEST"
    assert authorizers["ByRequestAuthorizer"]["Identity"] == {"Headers": ["X-Key"], "ReauthorizeEvery": 0}


def test_the_translator_makes_fronts_and_callers_of_them() -> None:
    made = called(TemplateKind.CLOUDFORMATION).document["Resources"]
    kinds = Counter(item["Type"] for item in made.values())
    assert (kinds["AWS::Lambda::Url"], kinds["AWS::ApiGatewayV2::Api"], kinds["AWS::ApiGateway::RestApi"]) == (1, 2, 1)
    permitted = Counter(properties["Principal"] for properties in of_type(made, "AWS::Lambda::Permission").values())
    assert permitted == {
        "apigateway.amazonaws.com": 11,  # five routes, three authorizers; two functions of messages, one authorizer
        "cognito-idp.amazonaws.com": 1,
        "alexa-appkit.amazon.com": 2,
        "elasticloadbalancing.amazonaws.com": 1,
        "lexv2.amazonaws.com": 1,
        "sns.amazonaws.com": 1,
        "*": 2,  # whoever calls the URL: it has no authentication
    }
    [pool] = of_type(made, "AWS::Cognito::UserPool").values()
    assert sorted(pool["LambdaConfig"]) == ["PreSignUp", "PreTokenGeneration"]
    [api] = [api for api in of_type(made, "AWS::ApiGatewayV2::Api").values() if "Body" in api]
    schemes = api["Body"]["components"]["securitySchemes"]
    assert {scheme["x-amazon-apigateway-authorizer"]["type"] for scheme in schemes.values()} == {"jwt", "request"}


def test_a_function_url_is_open_and_buffered_and_that_is_told() -> None:
    properties = called().document["Resources"]["ChatFunction"]["Properties"]
    assert properties["FunctionUrlConfig"] == {
        "AuthType": "NONE",
        "InvokeMode": "BUFFERED",
        "Cors": {"AllowOrigins": ["https://shop.example.com"]},
    }
    assert "anyone may call its URL" in said(called())
    assert "cannot stream: responses go out whole" in said(called())


def test_a_function_url_of_callers_that_sign_is_closed_and_what_they_need_is_told() -> None:
    @on_function_url(auth_type="AWS_IAM")
    async def orders(event: dict[str, Any]) -> None: ...

    found = exported(orders)
    config = found.document["Resources"]["OrdersFunction"]["Properties"]["FunctionUrlConfig"]
    assert config == {"AuthType": "AWS_IAM", "InvokeMode": "BUFFERED"}
    assert "identities need lambda:InvokeFunctionUrl on it" in said(found)
    assert "anyone may call" not in said(found)


def test_a_websocket_api_has_its_routes_its_authorizer_and_its_stage() -> None:
    made = called().document["Resources"]
    api = {"Ref": "WebSocketApi"}
    assert made["WebSocketApi"]["Properties"] == {
        "Name": {"Fn::Sub": "${AWS::StackName}-websocket"},
        "ProtocolType": "WEBSOCKET",
        "RouteSelectionExpression": "$request.body.kind",
    }
    assert made["WebSocketStage"]["Properties"] == {"ApiId": api, "StageName": "room", "AutoDeploy": True}
    talked_to = {"Fn::Sub": "integrations/${TalkFunctionWebSocket}"}
    assert of_type(made, "AWS::ApiGatewayV2::Route") == {
        "ConnectRoute": {
            "ApiId": api,
            "RouteKey": "$connect",
            "AuthorizationType": "CUSTOM",
            "AuthorizerId": {"Ref": "IntroducedWebSocketAuthorizer"},
            "Target": talked_to,
        },
        "SayRoute": {
            "ApiId": api,
            "RouteKey": "say",
            "AuthorizationType": "NONE",
            "Target": talked_to,
            "RouteResponseSelectionExpression": "$default",
        },
        "DefaultRoute": {
            "ApiId": api,
            "RouteKey": "$default",
            "AuthorizationType": "NONE",
            "Target": {"Fn::Sub": "integrations/${ListenFunctionWebSocket}"},
        },
    }
    [response] = of_type(made, "AWS::ApiGatewayV2::RouteResponse").values()
    assert response == {"ApiId": api, "RouteId": {"Ref": "SayRoute"}, "RouteResponseKey": "$default"}
    [asked] = of_type(made, "AWS::ApiGatewayV2::Authorizer").values()
    assert (asked["AuthorizerType"], asked["IdentitySource"]) == ("REQUEST", ["route.request.querystring.name"])
    assert "binary messages end a connection there" in said(called())


def test_a_function_may_be_called_by_its_websocket_api_and_send_to_its_connections() -> None:
    made = called().document["Resources"]
    account = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebSocketApi}"
    sources = {
        name: made[f"{name}FunctionWebSocketPermission"]["Properties"]["SourceArn"] for name in ("Talk", "Introduced")
    }
    assert sources == {
        "Talk": {"Fn::Sub": f"{account}/*"},
        "Introduced": {"Fn::Sub": f"{account}/authorizers/${{IntroducedWebSocketAuthorizer}}"},
    }
    for name, sends in (("Talk", True), ("Introduced", False)):
        [policy] = made[f"{name}FunctionRole"]["Properties"]["Policies"]
        resources = {
            item["Sid"]: item["Resource"] for item in policy["PolicyDocument"]["Statement"] if item["Sid"] != "Log"
        }
        assert resources == ({"Connections": [{"Fn::Sub": f"{account}/room/*/@connections/*"}]} if sends else {})


def test_a_load_balancers_rules_lead_to_target_groups_in_their_order() -> None:
    made = called().document["Resources"]
    first = made["BehindBalancerFunctionRule7"]["Properties"]
    assert first["Conditions"] == [
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["b", "c"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}},
    ]
    second = made["BehindBalancerFunctionRule8"]["Properties"]
    assert (second["Priority"], second["ListenerArn"]) == (8, {"Ref": "ListenerArn"}), "after those with a priority"
    assert second["Actions"] == [{"Type": "forward", "TargetGroupArn": {"Ref": "BehindBalancerFunctionTargets"}}]
    several = made["BehindBalancerFunctionMultiValueTargets"]["Properties"]
    assert several["TargetGroupAttributes"] == [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
    assert "make its target group the default action" in said(called())


def test_what_a_template_cannot_connect_is_told_with_what_to_do() -> None:
    told, outputs = said(called()), called().document["Outputs"]
    for text in (
        "CustomEmailSender is more than a function there",
        "enter its ARN as the endpoint of the skill",
        "its skill calls one function only, and recipe would be another",
        "make it the code hook of an alias of the bot orders",
        "CloudFront takes no function with environment variables",
        "binary_media_types are those of the whole REST API there",
    ):
        assert text in told
    assert {"SkillFunctionArn", "BotFunctionArn", "QuotaFunctionArn"} <= set(outputs)
    existing = exported(sign_up, existing=True)
    assert "the user pool users is not of this template" in said(existing)
    assert "no route names it as its authorizer" in said(exported(by_key))
    assert "would be another" not in said(exported(skill))


# Names, roles and the command line


def test_what_the_environment_binds_is_referred_to_and_not_made() -> None:
    @on_sqs("orders")
    @function(on_success=to_sqs("results"), on_failure=to_eventbridge("default"))
    async def work(event: str) -> None: ...

    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-prod"
    found = exported(work, bound={"sqs:orders": url, "sqs:results": "arn:aws:sqs:eu-west-1:123456789012:done"})
    arn = "arn:${AWS::Partition}:sqs:eu-central-1:123456789012:orders-prod"
    assert event_of(found, "WorkFunction")["Queue"] == {"Fn::Sub": arn}
    destinations = found.document["Resources"]["WorkFunction"]["Properties"]["EventInvokeConfig"]["DestinationConfig"]
    assert destinations["OnSuccess"]["Destination"] == "arn:aws:sqs:eu-west-1:123456789012:done"
    assert list(found.document["Resources"]) == ["WorkFunctionRole", "WorkFunction"]


def test_a_bucket_that_is_there_already_has_to_be_connected_by_hand() -> None:
    @on_s3("uploads")
    async def files(event: dict[str, Any]) -> None: ...

    found = exported(files, existing=True)
    assert "Events" not in found.document["Resources"]["FilesFunction"]["Properties"]
    assert "the bucket uploads is not of this template" in said(found)


def test_a_role_is_of_one_function_and_allows_only_what_lambda_does_for_it() -> None:
    found = yaml.load(export("sam", "warehouse.py")[0], Loader=_Loader)["Resources"]
    policies = {
        name.removesuffix("FunctionRole"): role["Policies"][0]["PolicyDocument"]["Statement"]
        for name, role in of_type(found, "AWS::IAM::Role").items()
    }
    actions = {name: {action for item in items for action in item["Action"]} for name, items in policies.items()}
    logs = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
    assert actions["Hello"] == logs
    assert actions["Unload"] == logs | {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    assert actions["FileNote"] == logs | {"sqs:SendMessage"}
    [reading] = [item for item in policies["Unload"] if item["Sid"] == "ReadQueues"]
    assert reading["Resource"] == ["DeliveriesQueue.Arn"]
    session = botocore.session.get_session()
    for action in {action for found in actions.values() for action in found}:
        prefix, _, name = action.partition(":")
        services = ("dynamodb", "dynamodbstreams") if prefix == "dynamodb" else (prefix,)
        assert any(name in session.get_service_model(service).operation_names for service in services), action


def test_every_wildcard_of_a_role_is_told() -> None:
    text, told = export("sam", "warehouse.py")
    assert text.count("- '*'") == told.count("its role has a wildcard") == 2


def test_names_that_look_alike_get_ids_of_their_own() -> None:
    @function(name="a_b")
    async def one() -> None: ...

    @function(name="a-b")
    async def two() -> None: ...

    made = exported(one, two).document["Resources"]
    assert {"ABFunction", "ABFunction2", "ABFunctionRole", "ABFunction2Role"} == set(made)


def test_a_template_is_the_same_every_time() -> None:
    command = [sys.executable, "-m", "eventflow", "export", "sam", "warehouse.py", "--env", "aws"]
    environment = {"PYTHONHASHSEED": "1"}  # which is not ours
    other = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert other == export("sam", "warehouse.py")[0]


def test_code_in_another_directory_does_not_know_the_environments_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    result = CliRunner().invoke(cli, ["export", "sam", "examples/shop.py", "--env", "aws"])
    assert result.exit_code == 3, "there is no such environment here"
    monkeypatch.setenv("EVENTFLOW_ADAPTER", "aws")
    monkeypatch.chdir(EXAMPLES)
    text, told = export("sam", str(EXAMPLES / "shop.py"))
    assert "EVENTFLOW_ENV: aws" in text
    assert "its file is not in" not in told


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "samtranslator.parser.parser", None)
    result = CliRunner().invoke(cli, ["export", "cloudformation", "shop.py", "--env", "aws"])
    assert result.exit_code == 3
    assert "pip install 'eventflow[sam]'" in result.stderr


def test_an_embedded_environment_is_not_deployed() -> None:
    result = CliRunner().invoke(cli, ["export", "sam", "shop.py", "--env", "local"])
    assert result.exit_code == 3
    assert "--env" in result.stderr
