"""The function that forwards from Lambda, to a running eventflow that asks who calls."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from botocore.session import Session
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from eventflow import (
    CognitoEvent,
    Context,
    Environment,
    PreSignUpResponse,
    S3Event,
    SqsEvent,
    function,
    on_cognito,
    on_s3,
    on_sqs_batch,
)
from eventflow.cli.group import cli
from eventflow.model.permissions import AccessKey
from eventflow.testing.events import cognito_event, s3_event, sqs_event
from eventflow_aws.forwarder import (
    MAXIMUM_BYTES,
    EndpointError,
    EndpointTimeoutError,
    Forwarder,
    ForwarderConfigurationError,
    FunctionError,
    Settings,
    is_asynchronous,
)
from tests.runtime.http import serving
from tests.servers.server import Server
from tests.unit.aws.alexa_signing import Authority

HERE = "111111111111"
ENVIRONMENT = Environment(
    options={"data": "memory"},
    account_id=HERE,
    callers=[
        AccessKey(id="FORWARDER", principal=f"arn:aws:iam::{HERE}:role/forwarder"),
        AccessKey(id="COGNITO", principal="cognito-idp.amazonaws.com"),
    ],
)
KEY = {"EVENTFLOW_ACCESS_KEY_ID": "FORWARDER", "EVENTFLOW_SECRET_ACCESS_KEY": "hush"}
COGNITO_KEY = {"EVENTFLOW_ACCESS_KEY_ID": "COGNITO", "EVENTFLOW_SECRET_ACCESS_KEY": "hush, too"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTFLOW_SECRET_ACCESS_KEY_FORWARDER", "hush")
    monkeypatch.setenv("EVENTFLOW_SECRET_ACCESS_KEY_COGNITO", "hush, too")


@function
async def echo(event: Any, context: Context) -> Any:
    client = context.client_context
    return {"event": event, "custom": client.custom if client else None}


@function
async def fails(event: Any) -> None:
    raise LookupError("no such user")


@function(timeout_seconds=1)
async def slow(event: Any) -> None:
    await asyncio.Event().wait()


@function(timeout_seconds=60)
async def patient(event: Any) -> None:
    await asyncio.Event().wait()


@function(reserved_concurrency=0)
async def never(event: Any) -> None: ...


@on_cognito("users", "PreSignUp")
async def confirm(event: CognitoEvent) -> PreSignUpResponse:
    return PreSignUpResponse(auto_confirm_user=True)


@on_s3("uploads")
async def count(event: S3Event) -> None:
    counted.put_nowait(event)


@on_sqs_batch("jobs", report_batch_item_failures=True)
async def work(event: SqsEvent) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": event.records[0].message_id}]}


counted: asyncio.Queue[S3Event] = asyncio.Queue()


class LambdaContext:
    """What Lambda hands to a handler."""

    def __init__(self, function_name: str = "echo", *, remaining: float = 60, client_context: Any = None) -> None:
        self.function_name = function_name
        self.client_context = client_context
        self._remaining = remaining

    def get_remaining_time_in_millis(self) -> int:
        return round(self._remaining * 1000)


class ClientContext:
    """As the Lambda runtime makes it."""

    custom: ClassVar = {"tenant": "acme"}
    env: ClassVar[dict[str, str]] = {}
    client = None


def forwarder(address: str, **variables: str) -> Forwarder:
    return Forwarder(Settings.read({"EVENTFLOW_ENDPOINT_URL": address, **KEY, **variables}))


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    async with serving.served(ENVIRONMENT, echo, fails, slow, patient, never, confirm, count, work) as address:
        yield address


async def forward(forwarder: Forwarder, event: Any, context: LambdaContext | None = None) -> Any:
    return await asyncio.to_thread(forwarder.forward, event, context or LambdaContext())


async def test_a_function_answers_by_its_own_name_or_by_another() -> None:
    event = {"text": "ünïcode 😀", "number": 1.5}
    async with served() as address:
        one = forwarder(address)
        assert await forward(one, event) == {"event": event, "custom": None}
        assert (await forward(one, "\ud83d\ude00"))["event"] == "😀"
        assert await forward(one, [], LambdaContext(client_context=ClientContext())) == {
            "event": [],
            "custom": {"tenant": "acme"},
        }
        named = forwarder(address, EVENTFLOW_FUNCTION_NAME="echo")
        assert (await forward(named, 1, LambdaContext("pre-sign-up")))["event"] == 1
        mapped = forwarder(address, EVENTFLOW_FUNCTION_NAME='{"pre-sign-up": "echo"}')
        assert (await forward(mapped, 2, LambdaContext("pre-sign-up")))["event"] == 2
        assert (await forward(mapped, 3, LambdaContext("echo")))["event"] == 3


async def test_cognito_gets_its_answer_through_a_forwarder_that_acts_for_a_user_pool() -> None:
    event = cognito_event().to_wire()
    pool = f"arn:aws:cognito-idp:us-east-1:{HERE}:userpool/us-east-1_a"
    acting = {**COGNITO_KEY, "EVENTFLOW_SOURCE_ARN": pool, "EVENTFLOW_SOURCE_ACCOUNT": HERE}
    async with served() as address:
        answer = await forward(forwarder(address, **acting), event, LambdaContext("confirm"))
        assert answer["response"]["autoConfirmUser"] is True
        assert answer["triggerSource"] == event["triggerSource"]
        acting["EVENTFLOW_SOURCE_ARN"] = pool.replace("userpool", "identitypool")
        with pytest.raises(EndpointError, match="403 AccessDeniedException"):
            await forward(forwarder(address, **acting), event, LambdaContext("confirm"))


async def test_a_function_error_keeps_its_name_and_text() -> None:
    async with served() as address:
        for name, kind, text in (
            ("fails", "LookupError", "no such user"),
            ("slow", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ):
            with pytest.raises(FunctionError, match=text) as raised:
                await forward(forwarder(address), {}, LambdaContext(name))
            assert type(raised.value).__name__ == kind


async def test_a_forwarder_gives_up_before_lambda_does() -> None:
    async with served() as address:
        with pytest.raises(EndpointTimeoutError):
            await forward(forwarder(address), {}, LambdaContext("patient", remaining=0.4))
        with pytest.raises(EndpointTimeoutError, match="no time left"):
            await forward(forwarder(address), {}, LambdaContext("patient", remaining=0.2))


async def test_events_that_nobody_waits_for_are_accepted_as_such() -> None:
    async with served() as address:
        assert await forward(forwarder(address), s3_event().to_wire(), LambdaContext("count")) is None
        assert (await counted.get()).to_wire() == s3_event().to_wire()


async def test_a_poller_of_lambdas_gets_its_batch_response() -> None:
    event = sqs_event().to_wire()
    async with served() as address:
        answer = await forward(forwarder(address), event, LambdaContext("work"))
    assert answer == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}


@pytest.mark.parametrize(
    ("function_name", "variables", "message"),
    [
        ("nowhere", {}, "404 ResourceNotFoundException: Function not found"),
        ("never", {}, "429 TooManyRequestsException: Rate Exceeded"),
        ("echo", {"EVENTFLOW_SECRET_ACCESS_KEY": "guessed"}, "403 InvalidSignatureException"),
        ("echo", {"EVENTFLOW_SESSION_TOKEN": "unasked"}, "403 UnrecognizedClientException"),
        ("echo", {"EVENTFLOW_SIGNING_REGION": "eu-west-1"}, "403 InvalidSignatureException: .* valid region"),
        ("echo", {"EVENTFLOW_SIGNING_SERVICE": "execute-api"}, "403 InvalidSignatureException: .* correct service"),
    ],
)
async def test_a_refusal_says_why(function_name: str, variables: dict[str, str], message: str) -> None:
    async with served() as address:
        with pytest.raises(EndpointError, match=message) as raised:
            await forward(forwarder(address, **variables), {}, LambdaContext(function_name))
    assert "guessed" not in str(raised.value)


async def test_an_event_over_the_limit_is_not_sent() -> None:
    for kind, limit in MAXIMUM_BYTES.items():
        one = forwarder("https://nowhere.invalid", EVENTFLOW_INVOCATION_TYPE=kind)
        with pytest.raises(EndpointError, match=f"{kind} takes {limit} at most"):
            await forward(one, "x" * limit)


async def test_an_endpoint_that_is_away_is_said_to_be() -> None:
    with pytest.raises(EndpointError, match="cannot be reached"):
        await forward(forwarder("http://127.0.0.1:9"), {})


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost's and its key, by an authority that nobody knows."""
    authority, key = Authority(), rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    issued = authority.issue(key.public_key(), host="localhost", first="2020-01-01", last="2035-01-01")
    (tmp_path / "authority.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    chain = [issued.public_bytes(Encoding.PEM), authority.intermediate.public_bytes(Encoding.PEM)]
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "localhost.pem").write_bytes(b"".join([private, *chain]))
    return tmp_path


@asynccontextmanager
async def answering(answers: list[bytes], certificate: Path | None = None) -> AsyncIterator[int]:
    """A port that gives ready-made answers, one per request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answers:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate / "localhost.pem")
    async with await asyncio.start_server(answer, "localhost", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def response(status: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


async def test_the_endpoint_has_to_be_who_it_says(certificate: Path) -> None:
    async with answering([response("200 OK", b"1")], certificate) as port:
        with pytest.raises(EndpointError, match="certificate verify failed"):
            await forward(forwarder(f"https://localhost:{port}"), {})
        trusting = forwarder(f"https://localhost:{port}", AWS_CA_BUNDLE=str(certificate / "authority.pem"))
        assert await forward(trusting, {}) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (response("200 OK", b"<html>"), "the answer is not JSON"),
        (response("502 Bad Gateway", b"<html>"), "^502$"),
        (response("302 Found", b"", "Location: https://elsewhere"), "^302$"),
        (response("403 Forbidden", b'{"message":"no"}', "x-amzn-errortype: AccessDeniedException:x"), "Exception: no$"),
        (b"nonsense\r\n\r\n", "cannot be reached"),
    ],
)
async def test_what_is_no_answer_of_an_invoke_api_is_an_error(answer: bytes, message: str) -> None:
    async with answering([answer]) as port:
        with pytest.raises(EndpointError, match=message):
            await forward(forwarder(f"http://localhost:{port}"), {})


async def test_an_error_without_a_name_is_one_all_the_same() -> None:
    async with answering([response("200 OK", b'"oops"', "X-Amz-Function-Error: Unhandled")]) as port:
        with pytest.raises(FunctionError) as raised:
            await forward(forwarder(f"http://localhost:{port}"), {})
    assert type(raised.value).__name__ == "Error"


async def test_a_secret_is_read_once_and_again_when_it_was_rotated(moto_server: Server) -> None:
    session = Session()
    session.set_credentials("test", "test")
    session.set_config_variable("region", "us-east-1")
    client: Any = session.create_client("secretsmanager", endpoint_url=moto_server.endpoint_url)

    class Pointed(Session):
        """The session of a function in Lambda, whose AWS is the test's server."""

        def create_client(self, *args: Any, **options: Any) -> Any:
            return client

    def secret(text: str) -> str:
        return json.dumps({"access_key_id": "FORWARDER", "secret_access_key": text})

    client.create_secret(Name="forwarder-of-tests", SecretString=secret("hush"))
    try:
        async with served() as address:
            told = {"EVENTFLOW_ENDPOINT_URL": address, "EVENTFLOW_SECRET_ID": "forwarder-of-tests"}
            one = Forwarder(Settings.read(told), session=Pointed())
            assert (await forward(one, 1))["event"] == 1
            client.put_secret_value(SecretId="forwarder-of-tests", SecretString=secret("not yet known here"))
            assert (await forward(one, 2))["event"] == 2  # not read again as long as it works
            with pytest.raises(EndpointError, match="InvalidSignatureException"):
                await forward(Forwarder(Settings.read(told), session=Pointed()), 3)
            client.put_secret_value(SecretId="forwarder-of-tests", SecretString='{"user": "hush"}')
            with pytest.raises(ForwarderConfigurationError, match="access_key_id") as raised:
                await forward(Forwarder(Settings.read(told), session=Pointed()), 4)
            assert "hush" not in str(raised.value)
    finally:
        client.close()


LAMBDA = """
import json, sys
import forwarder

class Context:
    function_name, client_context = "fails", None

    def get_remaining_time_in_millis(self):
        return 60_000

try:
    forwarder.handler({}, Context())
except Exception as exc:
    print(type(exc).__name__, exc, "eventflow" in sys.modules)
"""


async def test_the_exported_file_runs_alone(tmp_path: Path) -> None:
    exported = CliRunner().invoke(cli, ["export", "forwarder"])
    (tmp_path / "forwarder.py").write_text(exported.stdout)
    async with served() as address:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            LAMBDA,
            cwd=tmp_path,
            env={**os.environ, **KEY, "EVENTFLOW_ENDPOINT_URL": address, "AWS_REGION": "us-east-1"},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    assert output.decode() == "LookupError no such user False\n"


async def test_without_a_key_of_its_own_it_signs_as_its_role() -> None:
    session = Session()
    session.set_credentials("FORWARDER", "hush")
    async with served() as address:
        one = Forwarder(Settings.read({"EVENTFLOW_ENDPOINT_URL": address}), session=session)
        assert (await forward(one, 1))["event"] == 1


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "EVENTFLOW_ENDPOINT_URL"),
        ({"EVENTFLOW_ENDPOINT_URL": "http://shop.example.com"}, "https"),
        ({"EVENTFLOW_ENDPOINT_URL": "shop.example.com"}, "https"),
        ({"EVENTFLOW_FUNCTION_NAME": "{"}, "EVENTFLOW_FUNCTION_NAME"),
        ({"EVENTFLOW_FUNCTION_NAME": '{"a": 1}'}, "EVENTFLOW_FUNCTION_NAME"),
        ({"EVENTFLOW_INVOCATION_TYPE": "event"}, "EVENTFLOW_INVOCATION_TYPE"),
        ({"EVENTFLOW_ACCESS_KEY_ID": "A"}, "go together"),
        ({"EVENTFLOW_SECRET_ACCESS_KEY": "A"}, "go together"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], message: str) -> None:
    told = {"EVENTFLOW_ENDPOINT_URL": "https://shop.example.com", **variables} if variables else {}
    with pytest.raises(ForwarderConfigurationError, match=message):
        Settings.read(told)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"Records": [{"eventSource": "aws:s3"}]}, True),
        ({"Records": [{"EventSource": "aws:sns"}]}, True),
        ({"Records": [{"eventSource": "aws:sqs"}]}, False),
        ({"Records": []}, False),
        ({"Records": "x"}, False),
        ({"detail-type": "x", "source": "y", "detail": {}, "id": "z"}, True),
        ({"RequestType": "Create", "ResponseURL": "x", "StackId": "y"}, True),
        ({"awslogs": {"data": ""}}, True),
        ({"triggerSource": "CustomEmailSender_SignUp", "userPoolId": "x"}, True),
        ({"triggerSource": "PreSignUp_SignUp", "userPoolId": "x"}, False),
        ({"sessionState": {}, "bot": {}, "invocationSource": "DialogCodeHook"}, False),
        ([], False),
        (None, False),
    ],
)
def test_who_does_not_wait_is_known_by_the_event(event: Any, expected: bool) -> None:
    assert is_asynchronous(event) is expected
