"""A protected Invoke API, called by an ordinary SDK over a real socket."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from websockets.asyncio.client import connect

from eventflow import (
    App,
    CognitoEvent,
    ConfigurationError,
    Environment,
    WebSocketEvent,
    function,
    on_cognito,
    on_websocket,
)
from eventflow.model.permissions import AccessKey, AuthType, Permission
from eventflow.run.protection import read_credentials
from eventflow.run.runner import RunOptions, run_plan
from eventflow.runtime.stopping import StopSignal
from tests.runtime.http import serving

T = TypeVar("T")
HERE, ELSEWHERE = "111111111111", "222222222222"
CONNECTED: list[str] = []
POOL = "arn:aws:cognito-idp:eu-west-1:111111111111:userpool/eu-west-1_a"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@function
async def echo(event: Any) -> Any:
    return event


@function
async def private(event: Any) -> Any:
    return event


@on_cognito("users", "PreSignUp")
async def confirm(event: CognitoEvent) -> None: ...


@on_websocket("$connect")
async def join(event: WebSocketEvent) -> dict[str, Any]:
    CONNECTED.append(event.connection_id)
    return {"statusCode": 200}


ENVIRONMENT = Environment(
    options={"data": "memory"},
    region="eu-west-1",
    account_id=HERE,
    callers=[
        AccessKey(id="ADA", principal=f"arn:aws:iam::{HERE}:user/ada", functions=("echo", "missing")),
        AccessKey(id="SHOP", principal=f"arn:aws:iam::{HERE}:root"),
        AccessKey(id="SENDER", principal=f"arn:aws:iam::{HERE}:role/sender", functions=(), connections=True),
        AccessKey(id="BOB", principal=f"arn:aws:iam::{ELSEWHERE}:role/bob"),
        AccessKey(id="OLD", principal=f"arn:aws:iam::{HERE}:user/old", expires_at=1),
        AccessKey(id="COGNITO", principal="cognito-idp.amazonaws.com"),
    ],
    permissions=[Permission(function="private", principal=ELSEWHERE)],
)

KEYS = {key.id: key for key in ENVIRONMENT.callers}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ENVIRONMENT.callers:
        monkeypatch.setenv(f"EVENTFLOW_SECRET_ACCESS_KEY_{key.id}", f"secret of {key.id}")


class Served:
    """A running app, and the SDK pointed at it."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def call(
        self,
        key: str,
        call: Callable[[Any], T],
        *,
        secret: str | None = None,
        token: str | None = None,
        before_signing: Callable[[Any], None] | None = None,
        before_sending: Callable[[Any], None] | None = None,
        service: Literal["lambda", "apigatewaymanagementapi"] = "lambda",
    ) -> T:
        client: Any = boto3.client(
            service,
            endpoint_url=self.address if service == "lambda" else f"{self.address}/local",
            region_name="eu-west-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret or f"secret of {key}",
            aws_session_token=token,
            config=Config(retries={"max_attempts": 0}),
        )
        for event, hook in (("before-sign", before_signing), ("before-send", before_sending)):
            if hook is not None:
                client.meta.events.register(f"{event}.*", lambda request, hook=hook, **_: hook(request))
        try:
            return await asyncio.to_thread(call, client)
        finally:
            client.close()

    async def refused(self, key: str, function_name: str = "echo", **options: Any) -> tuple[int, str, str]:
        """Status, code and message of the error that the SDK raises."""
        with pytest.raises(ClientError) as raised:
            await self.call(key, lambda aws: aws.invoke(FunctionName=function_name, Payload=b'{"a":1}'), **options)
        response = raised.value.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    async with serving.served(ENVIRONMENT, echo, private, confirm, join) as address:
        yield Served(address)


def source(arn: str, account: str = HERE) -> Callable[[Any], None]:
    def state(request: Any) -> None:
        request.headers["x-amz-source-arn"] = arn
        request.headers["x-amz-source-account"] = account

    return state


def sign_as_of(time: datetime, request: Any) -> None:
    """Sign a request of ADA's as if it were another time."""
    signer = SigV4Auth(Credentials("ADA", "secret of ADA"), "lambda", "eu-west-1")
    again = AWSRequest(method=request.method, url=request.url, data=request.body)
    again.context["timestamp"] = again.headers["X-Amz-Date"] = f"{time:%Y%m%dT%H%M%SZ}"
    signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    signed = ";".join(sorted(name.lower() for name in ("host", *again.headers)))
    request.headers = again.prepare().headers
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(again)}, SignedHeaders={signed}, Signature={signature}"
    )


async def test_a_caller_with_a_key_invokes() -> None:
    async with served() as server:
        answer = await server.call("ADA", lambda aws: aws.invoke(FunctionName="echo", Payload=b'{"a":1}'))
        assert json.loads(await asyncio.to_thread(answer["Payload"].read)) == {"a": 1}
        arn = f"arn:aws:lambda:eu-west-1:{HERE}:function:echo"
        answer = await server.call(
            "ADA", lambda aws: aws.invoke(FunctionName=arn, Qualifier="$LATEST", InvocationType="Event")
        )
        assert answer["StatusCode"] == 202
        answer = await server.call("ADA", lambda aws: aws.invoke_async(FunctionName="echo", InvokeArgs=b"{}"))
        assert answer["Status"] == 202


async def test_a_streamed_answer_passes_the_gate_too() -> None:
    def read(aws: Any) -> bytes:
        events = aws.invoke_with_response_stream(FunctionName="echo", Payload=b'{"a":1}')["EventStream"]
        return b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)

    async with served() as server:
        assert json.loads(await server.call("ADA", read)) == {"a": 1}
        with pytest.raises(ClientError, match="InvalidSignatureException"):
            await server.call("ADA", read, secret="guessed")


async def test_a_wrong_secret_an_unknown_key_and_an_expired_one_are_refused() -> None:
    async with served() as server:
        status, code, message = await server.refused("ADA", secret="guessed")
        assert (status, code) == (403, "InvalidSignatureException")
        assert "guessed" not in message
        assert (await server.refused("EVE"))[:2] == (403, "UnrecognizedClientException")
        assert (await server.refused("ADA", token="unasked"))[:2] == (403, "UnrecognizedClientException")
        assert (await server.refused("OLD"))[:2] == (403, "ExpiredTokenException")


async def test_a_stale_date_is_refused() -> None:
    async with served() as server:
        past = datetime.now(UTC) - timedelta(minutes=6)
        status, code, message = await server.refused("ADA", before_sending=lambda request: sign_as_of(past, request))
    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith("Signature expired")


async def test_a_date_of_now_is_not() -> None:
    async with served() as server:
        answer = await server.call(
            "ADA",
            lambda aws: aws.invoke(FunctionName="echo"),
            before_sending=lambda request: sign_as_of(datetime.now(UTC), request),
        )
    assert answer["StatusCode"] == 200


async def test_an_altered_body_and_an_altered_header_are_refused() -> None:
    def alter_body(request: Any) -> None:
        request.body = b'{"a":2}'

    def alter_header(request: Any) -> None:
        request.headers["X-Amz-Invocation-Type"] = "Event"

    async with served() as server:
        for alter in (alter_body, alter_header):
            assert (await server.refused("ADA", before_sending=alter))[:2] == (403, "InvalidSignatureException")


async def test_a_request_without_a_signature_is_refused() -> None:
    def unsign(request: Any) -> None:
        del request.headers["Authorization"]

    async with served() as server:
        refused = await server.refused("ADA", before_sending=unsign)
        assert refused == (403, "MissingAuthenticationTokenException", "Missing Authentication Token")

        def shorten(request: Any) -> None:
            request.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=ADA"

        assert (await server.refused("ADA", before_sending=shorten))[:2] == (403, "IncompleteSignatureException")


async def test_no_caller_learns_which_functions_exist_before_it_may_call_them() -> None:
    async with served() as server:
        status, code, message = await server.refused("ADA", "private")
        assert (status, code) == (403, "AccessDeniedException")
        assert message == (
            f"User: arn:aws:iam::{HERE}:user/ada is not authorized to perform: lambda:InvokeFunction on resource: "
            f"arn:aws:lambda:eu-west-1:{HERE}:function:private because no identity-based policy allows the "
            "lambda:InvokeFunction action"
        )
        assert (await server.refused("ADA", "nowhere"))[:2] == (403, "AccessDeniedException")
        assert (await server.refused("ADA", "missing"))[:2] == (404, "ResourceNotFoundException")


async def test_another_account_needs_a_statement() -> None:
    async with served() as server:
        answer = await server.call("BOB", lambda aws: aws.invoke(FunctionName="private"))
        assert answer["StatusCode"] == 200
        assert (await server.refused("BOB", "echo"))[:2] == (403, "AccessDeniedException")


async def test_a_service_calls_for_the_source_that_its_decorator_names() -> None:
    async with served() as server:
        good = await server.call(
            "COGNITO",
            lambda aws: aws.invoke(FunctionName="confirm", InvocationType="DryRun"),
            before_signing=source(POOL),
        )
        assert good["StatusCode"] == 204
        for state in (source(POOL.replace("cognito-idp", "s3")), source(POOL, ELSEWHERE), None):
            refused = await server.refused("COGNITO", "confirm", before_signing=state)
            assert refused[:2] == (403, "AccessDeniedException")
        refused = await server.refused("COGNITO", "confirm", before_sending=source(POOL))
        assert refused[:2] == (403, "InvalidSignatureException")  # stated, but not signed


async def test_who_may_send_to_connections_is_told_by_its_signature_too() -> None:
    async with served() as server, connect(f"ws{server.address.removeprefix('http')}/local") as socket:
        connection_id = CONNECTED[-1]

        async def post(key: str, data: bytes = b"hello", *, to: str = connection_id, **options: Any) -> None:
            await server.call(
                key,
                lambda aws: aws.post_to_connection(ConnectionId=to, Data=data),
                service="apigatewaymanagementapi",
                **options,
            )

        async def refusal(key: str, **options: Any) -> tuple[str, str]:
            with pytest.raises(ClientError) as raised:
                await post(key, **options)
            error = raised.value.response["Error"]
            return error["Code"], error["Message"]

        def alter(request: Any) -> None:
            request.body = b"HELLO"

        for key in ("SHOP", "SENDER"):
            await post(key)
            assert await socket.recv() == "hello"
        for key in ("ADA", "BOB", "COGNITO"):
            code, message = await refusal(key)
            assert code == "AccessDeniedException"
            assert message.startswith(f"User: {KEYS[key].principal} is not authorized to perform: execute-api:Manage")
        assert (await refusal("SHOP", secret="guessed"))[0] == "InvalidSignatureException"
        assert (await refusal("SHOP", before_sending=alter))[0] == "InvalidSignatureException"
        assert (await refusal("ADA", to="missing"))[0] == "AccessDeniedException", "nobody learns of connections"
        assert (await refusal("SHOP", to="missing"))[0] == "GoneException"


async def test_what_is_no_operation_is_refused_like_the_rest() -> None:
    async with served() as server:
        for path in ("/2015-03-31/functions/", "/2015-03-31/functions/echo"):
            request = urllib.request.Request(server.address + path, b"{}")
            with pytest.raises(urllib.error.HTTPError) as raised:
                await asyncio.to_thread(urllib.request.urlopen, request)
            raised.value.close()
            assert raised.value.code == 403
            assert raised.value.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


async def test_without_access_keys_nothing_starts() -> None:
    plan = App([echo]).freeze(Environment(options={"data": "memory"}))
    options = RunOptions(port=0, invoke_auth_type=AuthType.AWS_IAM)
    with pytest.raises(ConfigurationError, match="has no access keys"):
        await run_plan(plan, options, stop=StopSignal(), on_started=lambda _: None)


def test_every_secret_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_credentials(ENVIRONMENT, {"EVENTFLOW_SECRET_ACCESS_KEY_ADA": "x"})
    missing = [problem.field for problem in raised.value.problems]
    assert missing == [f"access_keys.{name}" for name in KEYS if name != "ADA"]
    assert "EVENTFLOW_SECRET_ACCESS_KEY_BOB" in str(raised.value)
