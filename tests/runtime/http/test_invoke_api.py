# ruff: noqa: T201 (handlers print)

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import re
import sys
import traceback
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from pydantic import BaseModel

from eventflow.errors import RequestTooLargeError, UnavailableError
from eventflow.events import S3Event, SqsEvent
from eventflow.model import limits
from eventflow.model.context import Context
from eventflow.triggers.function import function
from eventflow.triggers.http import on_http
from eventflow.triggers.s3 import on_s3
from eventflow.triggers.sqs import on_sqs, on_sqs_batch
from tests.runtime import isolated_app
from tests.runtime.http.harness import Reply, running

ARN = "arn:aws:lambda:us-east-1:000000000000:function:echo"
_log = logging.getLogger(__name__)


class Order(BaseModel):
    id: str


@function()
async def echo(event: Any) -> Any:
    return event


@function()
async def fails() -> None:
    raise ValueError("no luck")


@function()
async def about(context: Context) -> dict[str, Any]:
    client_context = context.client_context
    return {
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "tenant": context.tenant_id,
        "custom": client_context and client_context.custom,
        "env": client_context and client_context.env,
        "app": client_context and client_context.client and client_context.client.app_title,
    }


def error_of(reply: Reply) -> tuple[int, str | None, Any]:
    return reply.status, reply.header("x-amzn-errortype"), reply.json()


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize("payload", [b'{"a": "\xc3\xa9"}', b"[1, 2]", b'"text"', b"1.5", b"true", b"null"])
async def test_any_json_value_goes_in_and_comes_out(payload: bytes) -> None:
    with running(echo) as here:
        reply = await here.client.invoke("echo", payload)
    assert (reply.status, reply.json()) == (200, json.loads(payload))
    assert reply.header("content-type") == "application/json"
    assert reply.header("x-amz-executed-version") == "$LATEST"
    assert reply.header("x-amz-function-error") is None


async def test_an_empty_payload_is_an_empty_object() -> None:
    with running(echo) as here:
        assert (await here.client.invoke("echo", b"")).body == b"{}"


async def test_bytes_come_out_as_they_are() -> None:
    @function()
    async def raw() -> bytes:
        return b"\x00\xff"

    with running(raw) as here:
        reply = await here.client.invoke("raw")
    assert (reply.body, reply.header("content-type")) == (b"\x00\xff", "application/unknown")


@pytest.mark.parametrize(
    ("name", "query", "arn"),
    [
        ("about", "", ":about"),
        ("about:$LATEST", "", ":about:$LATEST"),
        ("about", "Qualifier=%24LATEST", ":about:$LATEST"),
        (quote(ARN.replace("echo", "about"), safe=""), "", ":about"),
        ("000000000000%3Afunction%3Aabout%3A%24LATEST", "", ":about:$LATEST"),
    ],
)
async def test_the_handler_sees_the_arn_it_was_called_by(name: str, query: str, arn: str) -> None:
    with running(about) as here:
        reply = await here.client.invoke(name, query=query)
    assert reply.json()["arn"].endswith(arn)


async def test_the_request_id_is_the_one_that_the_caller_gets() -> None:
    with running(about) as here:
        reply = await here.client.invoke("about")
    assert reply.json()["request_id"] == reply.header("x-amzn-requestid")


async def test_the_handler_sees_what_the_caller_sends_along() -> None:
    context = {"custom": {"a": 1}, "env": {"locale": "de"}, "client": {"app_title": "shop", "other": "x"}}
    with running(about) as here:
        reply = await here.client.invoke("about", client_context=encoded(context), tenant_id="blue team")
    seen = reply.json()
    assert (seen["custom"], seen["env"], seen["app"]) == ({"a": 1}, {"locale": "de"}, "shop")
    assert seen["tenant"] == "blue team"


@pytest.mark.parametrize(
    "text", ["no base64!", encoded([1]), encoded({"custom": 1}), encoded({"client": []}), "e30", "x" * 3584]
)
async def test_a_client_context_that_cannot_be_read_is_refused(text: str) -> None:
    with running(about) as here:
        status, code, body = error_of(await here.client.invoke("about", client_context=text))
    assert (status, code, body["Type"]) == (400, "InvalidRequestContentException", "User")
    assert "Client context" in body["message"]


@pytest.mark.parametrize("tenant", ["", "a\tb", "é", "x" * 257])
async def test_a_tenant_id_that_is_none_is_refused(tenant: str) -> None:
    with running(about) as here:
        status, code, body = error_of(await here.client.invoke("about", tenant_id=tenant))
    assert (status, code, list(body)) == (400, "ValidationException", ["message"])


async def test_a_function_error_is_a_response_with_a_header() -> None:
    with running(fails) as here:
        reply = await here.client.invoke("fails")
    body = reply.json()
    assert (reply.status, reply.header("x-amz-function-error")) == (200, "Unhandled")
    assert list(body) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (body["errorMessage"], body["errorType"]) == ("no luck", "ValueError")
    assert body["requestId"] == reply.header("x-amzn-requestid")
    assert "in fails" in body["stackTrace"][0]


async def test_a_timeout_is_a_function_error() -> None:
    @function(timeout_seconds=1)
    async def slow() -> None:
        await anyio.sleep(2)

    with running(slow) as here:
        reply = await here.client.invoke("slow")
    request_id = reply.header("x-amzn-requestid")
    assert reply.header("x-amz-function-error") == "Unhandled"
    assert reply.json() == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }


async def test_a_result_that_is_no_json_is_a_function_error() -> None:
    @function()
    async def odd() -> Any:
        return {1, 2}

    with running(odd) as here:
        reply = await here.client.invoke("odd")
    assert reply.header("x-amz-function-error") == "Unhandled"
    assert reply.json()["errorType"] == "Runtime.MarshalError"
    assert reply.json()["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"


async def test_a_result_that_is_too_large_is_a_function_error() -> None:
    @function()
    async def big() -> str:
        return "x" * limits.SYNCHRONOUS_RESPONSE_BYTES

    with running(big) as here:
        reply = await here.client.invoke("big")
    assert reply.header("x-amz-function-error") == "Unhandled"
    assert reply.json() == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }


async def test_an_event_invocation_is_accepted_and_not_run() -> None:
    with running(fails) as here:
        reply = await here.client.invoke("fails", b'{"a":1}', invocation_type="Event")
        assert here.queue.accepted == [("fails", b'{"a":1}')]
    assert (reply.status, reply.body, reply.header("x-amzn-requestid")) == (202, b"", "event-1")
    assert reply.header("x-amz-executed-version") is None


async def test_the_older_api_accepts_too() -> None:
    with running(fails) as here:
        reply = await here.client.post("/2014-11-13/functions/fails/invoke-async", b"{}")
        assert here.queue.accepted == [("fails", b"{}")]
    assert (reply.status, reply.json()) == (202, {"Status": 202})


async def test_what_the_event_queue_refuses_is_refused() -> None:
    with running(echo) as here:
        here.queue.error = RequestTooLargeError("1048577 byte payload is too large for the Event invocation type")
        status, code, body = error_of(await here.client.invoke("echo", invocation_type="Event"))
    assert (status, code) == (413, "RequestTooLargeException")
    assert body == {"Type": "User", "message": str(here.queue.error)}


async def test_an_event_queue_out_of_reach_is_a_service_error(caplog: pytest.LogCaptureFixture) -> None:
    with running(echo) as here:
        here.queue.error = UnavailableError("sqs:events", "cannot be reached")
        status, code, body = error_of(await here.client.invoke("echo", invocation_type="Event"))
    assert (status, code, body["Type"]) == (500, "ServiceException", "Service")
    assert "cannot be reached" in caplog.text


async def test_a_dry_run_runs_nothing() -> None:
    with running(fails) as here:
        reply = await here.client.invoke("fails", invocation_type="DryRun")
        assert here.metrics.of("fails", "direct").failed == 0
    assert (reply.status, reply.body, reply.header("content-length")) == (204, b"", None)


async def test_a_dry_run_finds_what_a_run_would_be_refused_for() -> None:
    with running(fails) as here:
        assert (await here.client.invoke("other", invocation_type="DryRun")).status == 404
        assert (await here.client.invoke("fails", b"{", invocation_type="DryRun")).status == 400


async def test_an_unknown_function_is_not_found() -> None:
    with running(echo) as here:
        error = error_of(await here.client.invoke("other"))
    message = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:other:$LATEST"
    assert error == (404, "ResourceNotFoundException", {"Type": "User", "Message": message})


async def test_a_bad_name_has_no_type_in_its_error() -> None:
    with running(echo) as here:
        status, code, body = error_of(await here.client.invoke("a%20b"))
    assert (status, code, list(body)) == (400, "ValidationException", ["message"])
    assert "Value 'a b' at 'functionName'" in body["message"]


@pytest.mark.parametrize("payload", [b"{", b"no json", b"\xff", b"NaN", b"[" * 100_000])
async def test_a_payload_that_is_no_json_is_refused(payload: bytes) -> None:
    with running(echo) as here:
        status, code, body = error_of(await here.client.invoke("echo", payload))
    assert (status, code, body["Type"]) == (400, "InvalidRequestContentException", "User")
    assert body["message"].startswith("Could not parse request body into json: Could not parse payload into json: ")


async def test_a_payload_over_six_megabytes_is_refused() -> None:
    with running(echo) as here:
        error = error_of(await here.client.invoke("echo", b'"' + b"x" * limits.SYNCHRONOUS_REQUEST_BYTES + b'"'))
    message = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert error == (413, "RequestTooLargeException", {"Type": "User", "message": message})


async def test_a_payload_of_exactly_six_megabytes_is_not() -> None:
    @function()
    async def size(event: str) -> int:
        return len(event)

    with running(size) as here:
        reply = await here.client.invoke("size", b'"' + b"x" * (limits.SYNCHRONOUS_REQUEST_BYTES - 2) + b'"')
    assert reply.json() == limits.SYNCHRONOUS_REQUEST_BYTES - 2


async def test_a_throttle_tells_why_and_when_to_come_back() -> None:
    @function(reserved_concurrency=0)
    async def never() -> None: ...

    with running(never) as here:
        reply = await here.client.invoke("never")
    assert reply.header("retry-after") == "1"
    assert error_of(reply) == (
        429,
        "TooManyRequestsException",
        {
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
            "Type": "User",
            "message": "Rate Exceeded.",
        },
    )


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/cloudevents+json", 200),
        ("application/octet-stream", 200),
        ("application/x-www-form-urlencoded", 200),  # what curl --data says of anything
        ("text/xml", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
async def test_a_payload_declared_as_something_else_is_refused(content_type: str, status: int) -> None:
    with running(echo) as here:
        path = "/2015-03-31/functions/echo/invocations"
        reply = await here.client.post(path, b"{}", headers={"content-type": content_type})
    assert reply.status == status
    assert (reply.header("x-amzn-errortype") == "UnsupportedMediaTypeException") is (status == 415)


async def test_a_web_page_cannot_run_functions() -> None:
    with running(fails) as here:
        path = "/2015-03-31/functions/fails/invocations"
        reply = await here.client.post(path, b"{}", headers={"origin": "https://elsewhere.example"})
        assert (reply.status, reply.header("x-amzn-errortype")) == (403, "AccessDeniedException")
        assert here.metrics.of("fails", "direct").failed == 0


async def test_another_method_is_not_allowed() -> None:
    with running(echo) as here:
        reply = await here.client.get("/2015-03-31/functions/echo/invocations")
    assert (reply.status, reply.header("allow")) == (405, "POST")


@pytest.mark.parametrize("path", ["", "echo", "echo/invoke-async", "echo/invocations/more", "/invocations"])
async def test_other_operations_are_unknown(path: str) -> None:
    with running(echo) as here:
        reply = await here.client.post(f"/2015-03-31/functions/{path}", b"{}")
    assert reply.status in (400, 404)
    assert reply.header("x-amzn-errortype") in ("UnknownOperationException", "ValidationException")


@pytest.mark.parametrize("header", ["x-amz-invocation-type", "x-amz-log-type"])
async def test_unknown_choices_are_refused_with_the_known_ones(header: str) -> None:
    with running(echo) as here:
        path = "/2015-03-31/functions/echo/invocations"
        status, code, body = error_of(await here.client.post(path, b"{}", headers={header: "tail"}))
    assert (status, code) == (400, "ValidationException")
    assert "Member must satisfy enum value set: [" in body["message"]


async def test_the_api_can_be_left_out() -> None:
    with running(echo, invoke_api=False) as here:
        reply = await here.client.invoke("echo")
    assert (reply.status, reply.json()) == (404, {"message": "Not Found"})


async def test_an_event_of_a_source_reaches_the_handler_as_that_sources() -> None:
    @on_s3("uploads")
    @on_sqs_batch("orders")
    async def both(event: Any) -> str:
        return type(event).__name__

    @on_sqs_batch("typed")
    async def typed(event: SqsEvent) -> list[str]:
        return [record.body for record in event.records]

    @on_s3("typed")
    async def stored(event: S3Event) -> int:
        return len(event.records)

    wire = {"Records": [sqs_record("1", '{"id":"a"}')]}
    with running(both, typed, stored) as here:
        assert (await here.client.invoke("both", json.dumps(wire).encode())).json() == "dict"
        assert (await here.client.invoke("typed", json.dumps(wire).encode())).json() == ['{"id":"a"}']
        assert (await here.client.invoke("stored", json.dumps(wire).encode())).header("x-amz-function-error")


async def test_a_batch_for_a_per_record_handler_is_answered_with_its_failures() -> None:
    @on_sqs("orders")
    async def one(order: Order) -> None:
        if order.id == "bad":
            raise ValueError

    wire = {"Records": [sqs_record("1", '{"id":"good"}'), sqs_record("2", '{"id":"bad"}'), sqs_record("3", "{")]}
    with running(one) as here:
        reply = await here.client.invoke("one", json.dumps(wire).encode())
    assert reply.json() == {"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "3"}]}


def sqs_record(message_id: str, body: str) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": "r",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1",
            "SenderId": "s",
            "ApproximateFirstReceiveTimestamp": "1",
        },
        "messageAttributes": {},
        "md5OfBody": "x",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
        "awsRegion": "us-east-1",
    }


async def test_an_http_event_reaches_a_route() -> None:
    @on_http("GET /orders/{id}")
    async def get_order(id: str, event: dict[str, Any]) -> list[str]:
        return [id, event["rawPath"]]

    wire = {
        "version": "2.0",
        "routeKey": "GET /orders/{id}",
        "rawPath": "/orders/7",
        "headers": {},
        "pathParameters": {"id": "7"},
        "requestContext": {"http": {"method": "GET", "path": "/orders/7"}, "stage": "$default"},
        "isBase64Encoded": False,
    }
    with running(get_order) as here:
        assert (await here.client.invoke("get_order", json.dumps(wire).encode())).json() == ["7", "/orders/7"]


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"[]",
        b'{"body": 1}',
        b'{"body": "\xc3\xa9", "isBase64Encoded": true}',
        b'{"requestContext": "x"}',
        b'{"requestContext": {"timeEpoch": "x"}}',
    ],
)
async def test_any_other_event_for_a_route_is_at_worst_a_function_error(payload: bytes) -> None:
    @on_http("POST /")
    async def typed(order: Order) -> None: ...

    with running(typed) as here:
        reply = await here.client.invoke("typed", payload)
    assert (reply.status, reply.header("x-amz-function-error")) == (200, "Unhandled")


def log_of(reply: Reply) -> str:
    result = reply.header("x-amz-log-result")
    assert result is not None
    return base64.b64decode(result).decode()


async def test_the_log_is_sent_only_to_those_who_ask() -> None:
    with running(echo) as here:
        assert (await here.client.invoke("echo")).header("x-amz-log-result") is None
        assert (await here.client.invoke("echo", log_type="None")).header("x-amz-log-result") is None


async def test_the_log_tail_is_written_as_lambda_writes_it() -> None:
    @function(memory_limit_mb=256)
    async def chatty() -> None:
        _log.warning("watch out, %s", "you")
        await anyio.sleep(0.25)

    with running(chatty) as here:
        reply = await here.client.invoke("chatty", log_type="Tail")
    request_id = reply.header("x-amzn-requestid")
    start, line, end, report = log_of(reply).splitlines()
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert re.fullmatch(rf"\[WARNING\]\t20\S+T\S+Z\t{request_id}\twatch out, you", line)
    assert end == f"END RequestId: {request_id}"
    pattern = (
        rf"REPORT RequestId: {request_id}\tDuration: 250\.00 ms\tBilled Duration: 25[01] ms\t"
        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\t"
    )
    assert re.fullmatch(pattern, report)


async def test_the_log_tail_ends_with_a_handlers_error() -> None:
    with running(fails) as here:
        log = log_of(await here.client.invoke("fails", log_type="Tail"))
    assert "[ERROR] ValueError: no luck\nTraceback (most recent call last):\n\u00a0\u00a0File " in log
    assert log.endswith("\tStatus: error\tError Type: ValueError\n")


async def test_the_log_tail_ends_with_a_timeout() -> None:
    @function(timeout_seconds=1)
    async def slow() -> None:
        await anyio.sleep(2)

    with running(slow) as here:
        reply = await here.client.invoke("slow", log_type="Tail")
    request_id = reply.header("x-amzn-requestid")
    assert f"2026-01-01T00:00:01.000Z {request_id} Task timed out after 1.00 seconds\n" in log_of(reply)
    assert log_of(reply).endswith("\tStatus: timeout\n")


async def test_only_the_last_four_kilobytes_are_kept() -> None:
    @function()
    async def verbose() -> None:
        for number in range(200):
            _log.warning("line %d %s", number, "x" * 50)
        _log.warning("y" * 3_000)

    with running(verbose) as here:
        log = log_of(await here.client.invoke("verbose", log_type="Tail"))
    assert len(log.encode()) == 4096
    assert "line 199" in log
    assert "line 1 " not in log
    assert log.splitlines()[-1].startswith("REPORT")


async def test_invocations_that_run_at_once_do_not_mix_their_logs() -> None:
    @function()
    async def named(event: str) -> None:
        _log.warning("begin %s", event)
        await anyio.sleep(1)
        _log.warning("end %s", event)

    @function()
    def blocking() -> None:
        _log.warning("from a thread")

    with running(named, blocking) as here:
        replies = await asyncio.gather(
            here.client.invoke("named", b'"a"', log_type="Tail"),
            here.client.invoke("named", b'"b"', log_type="Tail"),
            here.client.invoke("blocking", log_type="Tail"),
            here.client.invoke("named", b'"c"'),
        )
    lines = [[line.rsplit("\t", 1)[1] for line in log_of(reply).splitlines()[1:-2]] for reply in replies[:3]]
    assert lines == [["begin a", "end a"], ["begin b", "end b"], ["from a thread"]]


async def test_what_a_handler_prints_is_in_its_log_and_where_it_was_printed(capsys: pytest.CaptureFixture[str]) -> None:
    @function()
    async def printing() -> None:
        print("one", 1)
        sys.stdout.writelines(["two\n", "three\n"])
        try:
            raise ValueError("no luck")
        except ValueError:
            traceback.print_exc(limit=0)
        print("unfinished", end="")

    with running(printing) as here:
        lines = log_of(await here.client.invoke("printing", log_type="Tail")).splitlines()
    assert lines[1:-2] == [
        "one 1",
        "two",
        "three",
        "ValueError: no luck",
        "unfinished",
    ]
    out, err = capsys.readouterr()
    assert out == "one 1\ntwo\nthree\nunfinished"
    assert err.splitlines()[-1] == "ValueError: no luck"


async def test_invocations_that_run_at_once_do_not_mix_what_they_print(capsys: pytest.CaptureFixture[str]) -> None:
    @function()
    async def named(event: str) -> None:
        print("begin", event)
        await anyio.sleep(1)
        await asyncio.to_thread(print, "end", event)

    @function()
    def blocking() -> None:
        print("from a thread")

    with running(named, blocking) as here:
        replies = await asyncio.gather(
            here.client.invoke("named", b'"a"', log_type="Tail"),
            here.client.invoke("named", b'"b"'),
            here.client.invoke("blocking", log_type="Tail"),
        )
    assert log_of(replies[0]).splitlines()[1:-2] == ["begin a", "end a"]
    assert log_of(replies[2]).splitlines()[1:-2] == ["from a thread"]
    assert "end b" in capsys.readouterr().out


async def test_a_standard_stream_stays_what_it_was_while_it_is_watched(capfd: pytest.CaptureFixture[str]) -> None:
    stream = sys.stdout

    @function()
    async def printing() -> list[Any]:
        sys.stdout.buffer.write(b"bytes\n")
        sys.stdout.flush()
        return [sys.stdout.fileno() == stream.fileno(), sys.stdout.encoding == stream.encoding, sys.stdout.isatty()]

    with running(printing) as here:
        assert (await here.client.invoke("printing", log_type="Tail")).json() == [True, True, False]


async def test_what_is_printed_in_a_worker_process_is_in_the_log_too(capfd: pytest.CaptureFixture[str]) -> None:
    with running(isolated_app.print_something, isolated_app.print_plainly) as here:
        log = log_of(await here.client.invoke("print_something", b'"a"', log_type="Tail"))
        plain = log_of(await here.client.invoke("print_plainly", b'"b"', log_type="Tail"))
        await here.client.invoke("print_plainly", b'"c"')
    first, then, logged = log.splitlines()[1:-2]
    assert (first, then, logged.rsplit("\t", 1)[1]) == ("first a", "then", "logged")
    assert plain.splitlines()[1:-2] == ["plainly b"]
    out, err = capfd.readouterr()
    assert out == "first a\nplainly b\nplainly c\n"
    assert "then\n" in err


async def test_a_long_print_leaves_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    @function()
    async def verbose() -> None:
        print("x" * 50_000, "the end")

    with running(verbose) as here:
        log = log_of(await here.client.invoke("verbose", log_type="Tail"))
    assert len(log.encode()) == 4096
    assert "xxx the end\nEND RequestId" in log
    assert capsys.readouterr().out == "x" * 50_000 + " the end\n"


async def test_nothing_is_left_behind_once_the_logs_are_sent() -> None:
    before = list(logging.getLogger().handlers)
    streams = sys.stdout, sys.stderr
    with running(fails) as here:
        await here.client.invoke("fails", log_type="Tail")
    assert logging.getLogger().handlers == before
    assert (sys.stdout, sys.stderr) == streams


async def test_a_handler_that_redirects_its_output_meanwhile_gets_it_back_as_it_was() -> None:
    stream = sys.stdout
    begun, ended = anyio.Event(), anyio.Event()

    @function()
    async def redirecting() -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            begun.set()
            await ended.wait()
            print("kept")
        return output.getvalue()

    @function()
    async def other() -> None:
        print("also kept")

    with running(redirecting, other) as here:
        async with anyio.create_task_group() as tasks:
            replies: list[Reply] = []

            async def redirect() -> None:
                replies.append(await here.client.invoke("redirecting"))

            tasks.start_soon(redirect)
            await begun.wait()
            await here.client.invoke("other", log_type="Tail")
            ended.set()
    assert replies[0].json() == "also kept\nkept\n"
    assert sys.stdout is stream
