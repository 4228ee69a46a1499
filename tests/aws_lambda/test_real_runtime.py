"""AWS's own Python runtime, under AWS's emulator of the service, runs the examples."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.aws_lambda.lambda_context import request, sample
from tests.servers.fixtures import installed
from tests.servers.installing import installation
from tests.servers.lambda_runtime import FUNCTION_ARN, ROOT, invoke, start_function
from tests.servers.process import free_port

EXAMPLES = ROOT / "examples"
OWN = Path(__file__).with_name("runtime_app.py")

Invoke: TypeAlias = Callable[[Any], Any]
Deploy: TypeAlias = Callable[..., Invoke]


@pytest.fixture(scope="module")
def lambda_server() -> Iterator[Deploy]:
    """Deploys an app as a function, once for all tests; what it returns invokes it."""
    with ExitStack() as stack:

        @cache
        def deploy(app: Path, **variables: str) -> Invoke:
            with installed():
                directory = installation("lambda")
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventflow-lambda-")))
            environment = {"EVENTFLOW_APP": str(app), **variables}
            server, process = start_function(directory, scratch, environment, port=free_port())
            stack.callback(process.stop)
            return lambda event: invoke(server, event)

        yield deploy


def messages(*orders: dict[str, Any]) -> dict[str, Any]:
    [record] = sample("sqs/without_attribute_md5")["Records"]
    return {
        "Records": [{**record, "messageId": order["id"], "body": json.dumps(order)} for order in orders],
    }


def test_http(lambda_server: Deploy) -> None:
    shop = lambda_server(EXAMPLES / "shop.py")
    created = shop(request("POST", "/orders", route_key="POST /orders", body='{"id": "1", "total": 9.5}'))
    assert created["statusCode"] == 201
    assert created["headers"]["location"] == "/orders/1"
    assert json.loads(created["body"]) == {"id": "1", "total": 9.5}
    assert shop(request("POST", "/orders", body="{}"))["statusCode"] == 400
    assert shop(request("GET", "/orders/7"))["id"] == "7"
    assert shop(request("DELETE", "/orders/7"))["statusCode"] == 404


def test_sqs_with_partial_failures(lambda_server: Deploy) -> None:
    batch = messages({"id": "1", "total": 1}, {"id": "2", "total": -1}, {"id": "3", "total": 3})
    named = lambda_server(EXAMPLES / "shop.py", EVENTFLOW_FUNCTION="fulfil")
    assert named(batch) == {"batchItemFailures": [{"itemIdentifier": "2"}]}, "the handler's own answer"
    by_record = lambda_server(EXAMPLES / "warehouse.py")
    deliveries = messages({"id": "1", "pallets": 1}, {"id": "2", "pallets": -1}, {"id": "3", "no": "pallets"})
    answer = by_record(deliveries)
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == ["2", "3"]


def test_s3(lambda_server: Deploy) -> None:
    shop = lambda_server(EXAMPLES / "shop.py")
    event = sample("s3/put_with_encoded_key")
    answer = shop(event)
    [record] = event["Records"]
    assert list(answer["imported"].values()) == [record["s3"]["object"]["size"]]
    record["s3"]["object"]["size"] = 0
    failed = shop(event)
    assert (failed["errorType"], failed["errorMessage"][-8:]) == ("ValueError", "is empty")


def test_kinesis(lambda_server: Deploy) -> None:
    event = sample("kinesis/batch")
    for index, record in enumerate(event["Records"]):
        alarm = {"zone": "a", "degrees": 20 + index} if index else {"zone": "a"}
        record["kinesis"]["data"] = base64.b64encode(json.dumps(alarm).encode()).decode()
    warehouse = lambda_server(EXAMPLES / "warehouse.py")
    failures = warehouse(event)["batchItemFailures"]
    assert failures[0]["itemIdentifier"] == event["Records"][0]["kinesis"]["sequenceNumber"]
    [first, *_] = event["Records"]
    first["kinesis"]["data"] = base64.b64encode(b'{"zone": "a", "degrees": 1}').decode()
    assert warehouse(event) == {"batchItemFailures": []}


def test_warm_invocations_share_one_loop_and_one_lifespan(lambda_server: Deploy) -> None:
    own = lambda_server(OWN)
    first, second = own({"one": 1}), own({"two": 2})
    assert first["loop"] == second["loop"]
    assert second["state"]["invocations"] == first["state"]["invocations"] + 1
    assert first["request_id"] != second["request_id"]


def test_the_context_is_lambdas(lambda_server: Deploy) -> None:
    seen = lambda_server(OWN)({"one": 1})
    assert (seen["arn"], seen["memory"], seen["name"], seen["version"]) == (
        f"{FUNCTION_ARN}shop",
        "256",
        "shop",
        "$LATEST",
    )
    assert 0 < seen["remaining"] <= 10_000


def test_errors_are_recorded_under_their_own_names_from_the_users_code_on(lambda_server: Deploy) -> None:
    own = lambda_server(OWN)
    failed = own({"do": "fail"})
    assert (failed["errorType"], failed["errorMessage"]) == ("LookupError", "no such thing")
    [frame] = failed["stackTrace"]
    assert frame.startswith(f'  File "{OWN}"')
    unwritable = own({"do": "return a set"})
    assert unwritable["errorType"] == "Runtime.MarshalError"
    timed_out = own({"do": "wait"})
    assert timed_out["errorType"] == "Sandbox.Timedout"
    assert timed_out["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert own({"still": "warm"})["state"]["invocations"] > 0


def test_a_mistake_in_the_configuration_fails_the_init_phase(lambda_server: Deploy) -> None:
    failed = lambda_server(EXAMPLES / "shop.py", EVENTFLOW_FUNCTION="fulfill")({})
    assert failed["errorType"] == "ConfigurationError"
    assert "EVENTFLOW_FUNCTION: there is no function 'fulfill' (known: hello, create_order" in failed["errorMessage"]
