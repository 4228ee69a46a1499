"""Function URLs whose callers sign, called over a real socket with botocore's signatures."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import anyio
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from eventflow import App, ConfigurationError, Cors, Environment, HttpEvent, on_function_url, on_http
from eventflow.model.permissions import AccessKey, AuthType
from eventflow.run.runner import RunOptions, Started, run_plan
from eventflow.runtime.stopping import StopSignal
from eventflow.testing import TestApp, run

ACCOUNT = "111111111111"
CALLED: list[HttpEvent] = []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLED.clear()
    for key in ENVIRONMENT.callers:
        monkeypatch.setenv(f"EVENTFLOW_SECRET_ACCESS_KEY_{key.id}", f"secret of {key.id}")


@on_function_url(auth_type="AWS_IAM", cors=Cors(allow_origins=("https://shop.example.com",), allow_methods=("POST",)))
async def orders(event: HttpEvent) -> str | None:
    CALLED.append(event)
    return event.body


@on_function_url()
async def hello() -> str:
    return "hello"


@on_http("GET /")
async def home() -> str:
    return "home"


ENVIRONMENT = Environment(
    options={"data": "memory"},
    region="eu-west-1",
    account_id=ACCOUNT,
    callers=[
        AccessKey(id="ADA", principal=f"arn:aws:iam::{ACCOUNT}:user/ada", functions=("orders",)),
        AccessKey(id="EVE", principal=f"arn:aws:iam::{ACCOUNT}:user/eve", functions=("hello",)),
    ],
)


class Served:
    def __init__(self, address: str) -> None:
        self._address = urlsplit(address)

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return (
                response.status,
                response.read().decode(),
                {name.lower(): value for name, value in response.headers.items()},
            )
        finally:
            connection.close()

    async def request(
        self,
        function: str,
        key: str | None = None,
        *,
        method: str = "POST",
        path: str = "/a%20b?x=1&y=%2F",
        body: bytes = b"an order",
        sent: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str, dict[str, str]]:
        """Sign a request, and send it with the body that was ``sent`` on the way."""
        headers = {"Host": f"{function}.lambda-url.localhost", **(headers or {})}
        if key is not None:
            request = AWSRequest(method, f"http://{headers['Host']}{path}", headers, body)
            SigV4Auth(Credentials(key, f"secret of {key}"), "lambda", "eu-west-1").add_auth(request)
            headers = dict(request.headers.items())
        return await asyncio.to_thread(self._send, method, path, body if sent is None else sent, headers)


@asynccontextmanager
async def served(options: RunOptions | None = None) -> AsyncIterator[Served]:
    plan = App([orders, hello, home]).freeze(ENVIRONMENT)
    options = options or RunOptions(port=0, invoke_api=False, invoke_auth_type=AuthType.AWS_IAM, drain_seconds=0)
    stop = StopSignal()
    starts: asyncio.Queue[Started] = asyncio.Queue()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(run_plan, plan, options, stop=stop, on_started=starts.put_nowait))
        yield Served(str((await starts.get()).address))
        stop.request()


async def test_who_signs_and_may_invoke_gets_an_answer_and_the_function_learns_who_it_is() -> None:
    async with served() as server:
        status, body, _ = await server.request("orders", "ADA")
    assert (status, body) == (200, "an order")
    [event] = CALLED
    assert event.request_context.authorizer is not None
    who = event.request_context.authorizer.iam
    assert who is not None
    assert (who.access_key, who.account_id, who.user_arn) == ("ADA", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ada")
    assert event.request_context.account_id != "anonymous"


@pytest.mark.parametrize(
    ("key", "sent", "error", "message"),
    [
        (None, None, "AccessDeniedException", "Forbidden"),
        ("EVE", None, "AccessDeniedException", "Forbidden"),
        ("BOB", None, "UnrecognizedClientException", "The security token"),
        ("ADA", b"AN ORDER", "InvalidSignatureException", "is not the SHA-256 of the body|does not match"),
    ],
    ids=["unsigned", "not allowed", "unknown", "altered"],
)
async def test_nobody_else_does(key: str | None, sent: bytes | None, error: str, message: str) -> None:
    async with served() as server:
        status, body, headers = await server.request("orders", key, sent=sent)
    assert (status, headers["x-amzn-errortype"]) == (403, error)
    assert any(part in json.loads(body)["Message"] for part in message.split("|"))
    assert not CALLED


async def test_other_routes_ask_nobody() -> None:
    async with served() as server:
        assert (await server.request("hello"))[:2] == (200, "hello")
        assert (await server.request("", method="GET", path="/", body=b"", headers={"Host": "x"}))[:2] == (200, "home")


async def test_a_preflight_needs_no_signature() -> None:
    headers = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST"}
    async with served() as server:
        status, _, answered = await server.request("orders", method="OPTIONS", body=b"", headers=headers)
        assert (status, answered["access-control-allow-methods"]) == (204, "POST")
        status, _, answered = await server.request("orders", headers={"Origin": "https://shop.example.com"})
        assert (status, answered["access-control-allow-origin"]) == (403, "https://shop.example.com")


async def test_on_loopback_nobody_is_asked() -> None:
    async with served(RunOptions(port=0, drain_seconds=0)) as server:
        assert (await server.request("orders"))[:2] == (200, "an order")


def test_in_tests_nobody_is_asked() -> None:
    async def ask() -> int:
        async with TestApp(App([orders])) as app:
            return (await app.http.get("/")).status

    assert run(ask) == 200


async def test_where_nobody_could_sign_nothing_starts() -> None:
    plan = App([orders]).freeze(Environment(options={"data": "memory"}))
    options = RunOptions(port=0, invoke_api=False, invoke_auth_type=AuthType.AWS_IAM)
    with pytest.raises(ConfigurationError, match="has no access keys"):
        await run_plan(plan, options, stop=StopSignal(), on_started=lambda _: None)


def test_another_kind_of_authorization_is_refused() -> None:
    @on_function_url(auth_type="IAM")  # type: ignore[arg-type]  # what a user may write
    async def mistaken() -> None: ...

    with pytest.raises(ConfigurationError, match=r"auth_type.*'IAM'.*AWS_IAM"):
        App([mistaken]).freeze(Environment())
