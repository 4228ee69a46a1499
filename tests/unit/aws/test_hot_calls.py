"""Hot calls against botocore's own: whatever is answered, nobody can tell the difference."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from eventflow_aws.hot_calls import HotCalls
from tests.unit.aws.scripted_http import Answer, ScriptedSession

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
RECEIVING: dict[str, Any] = {"QueueUrl": URL, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]}
MESSAGE = {"MessageId": "1", "ReceiptHandle": "r", "Body": "Ä\U0001f600", "Attributes": {"SentTimestamp": "1"}}
MESSAGES = Answer(json.dumps({"Messages": [MESSAGE]}).encode())
REFUSED = Answer(
    b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}',
    status=400,
    headers={"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
)
BUSY = Answer(b"", status=503)
THROTTLED = Answer(b'{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slower"}', status=400)
FRESH = Answer(b'{"Messages": [], "Fresh": 1}')
GARBAGE = Answer(b"<html>hello</html>")
CUT = ConnectionClosedError(endpoint_url=URL, error=OSError("cut"), request=None)
SLOW = ReadTimeoutError(endpoint_url=URL, error=TimeoutError())
AWAY = EndpointConnectionError(endpoint_url=URL, error=OSError("refused"))


@asynccontextmanager
async def sqs(*answers: Answer | Exception, hot: bool = True, **options: Any) -> AsyncIterator[Any]:
    """A client with answers to come. ``hot`` says that the call before them was made: the first is botocore's."""
    ScriptedSession.answers = deque([MESSAGES, *answers])
    ScriptedSession.requests = []
    session = options.pop("session", None)
    keys: dict[str, Any] = {} if session else {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    config = AioConfig(
        http_session_cls=ScriptedSession,
        retries={"mode": "standard", "total_max_attempts": 3},
        user_agent="eventflow",
        signature_version=options.pop("signature_version", None),
    )
    creating = (session or AioSession()).create_client("sqs", "eu-west-1", config=config, **keys, **options)
    async with creating as client:
        if hot:
            HotCalls(client, ["ReceiveMessage", "DeleteMessageBatch"])
        await client.receive_message(**RECEIVING)
        ScriptedSession.requests.clear()
        yield client
    assert not ScriptedSession.answers


async def outcome(*answers: Answer | Exception, hot: bool) -> object:
    """What a call comes to."""
    async with sqs(*answers, hot=hot) as client:
        try:
            answer = await client.receive_message(**RECEIVING)
        except Exception as exc:  # noqa: BLE001 - compared
            return type(exc).__name__, str(exc), getattr(exc, "response", None)
    return answer.get("Messages"), len(ScriptedSession.requests)


def _volatile(headers: dict[str, str]) -> dict[str, str]:
    """Headers without those that no two requests share."""
    own = ("x-amz-date", "authorization", "amz-sdk-invocation-id", "content-length")  # the last is aiohttp's to add
    return {name: value for name, value in headers.items() if name not in own}


async def test_a_hot_request_is_botocores() -> None:
    async with sqs(MESSAGES) as client:
        await client.receive_message(**RECEIVING)
    [ours] = ScriptedSession.requests
    async with sqs(MESSAGES, hot=False) as client:
        await client.receive_message(**RECEIVING)
    [theirs] = ScriptedSession.requests
    assert (ours["url"], ours["body"]) == (theirs["url"], theirs["body"])
    assert _volatile(ours["headers"]) == _volatile(theirs["headers"])
    scope, signed, _ = ours["headers"]["authorization"].split(", ")
    assert theirs["headers"]["authorization"].startswith(f"{scope}, {signed}, ")


async def test_a_hot_answer_is_what_the_service_sent() -> None:
    async with sqs(FRESH, FRESH) as client:
        assert await client.receive_message(**RECEIVING) == {"Messages": [], "Fresh": 1}
        # The first call of each operation is botocore's, which knows no such field.
        assert "Fresh" not in await client.delete_message_batch(QueueUrl=URL, Entries=[])


CASES: dict[str, list[Answer | Exception]] = {
    "messages": [MESSAGES],
    "nothing": [Answer(b"{}")],
    "no body": [Answer(b"")],
    "no object": [Answer(b"[]")],
    "no JSON": [GARBAGE],
    "refused": [REFUSED],
    "throttled once": [THROTTLED, MESSAGES],
    "throttled": [THROTTLED, THROTTLED, THROTTLED],
    "busy once": [BUSY, MESSAGES],
    "busy, then cut": [BUSY, CUT, MESSAGES],
    "busy": [BUSY, BUSY, BUSY],
    "cut once": [CUT, MESSAGES],
    "cut, then refused": [CUT, REFUSED],
    "away": [AWAY, AWAY, AWAY],
    "slow": [SLOW, SLOW, SLOW],
}


@pytest.mark.parametrize("answers", CASES.values(), ids=CASES.keys())
async def test_whatever_happens_comes_to_the_same_as_with_botocore(answers: list[Answer | Exception]) -> None:
    assert await outcome(*answers, hot=True) == await outcome(*answers, hot=False)


async def test_botocore_goes_on_counting_where_we_began() -> None:
    async with sqs(BUSY, MESSAGES) as client:
        await client.receive_message(**RECEIVING)
    first, second = (request["headers"] for request in ScriptedSession.requests)
    assert first["amz-sdk-request"] == "attempt=1"
    assert second["amz-sdk-request"].endswith("attempt=2; max=3")
    assert first["amz-sdk-invocation-id"] == second["amz-sdk-invocation-id"]


async def test_success_earns_retries_and_failure_spends_them() -> None:
    async with sqs() as client:
        for _ in range(50):  # two retries each, which cost five of 500
            ScriptedSession.answers.extend([BUSY] * 3)
            with pytest.raises(ClientError):
                await client.receive_message(**RECEIVING)
        assert await _requests(client, BUSY) == 1
        for _ in range(5):
            await _requests(client, MESSAGES)
        assert await _requests(client, BUSY, BUSY) == 2


async def _requests(client: Any, *answers: Answer) -> int:
    """How many requests a call came to."""
    ScriptedSession.answers.extend(answers)
    ScriptedSession.requests.clear()
    with suppress(ClientError):
        await client.receive_message(**RECEIVING)
    return len(ScriptedSession.requests)


async def test_credentials_are_renewed_as_botocore_renews_them() -> None:
    renewals = 0

    async def renew() -> dict[str, str]:
        nonlocal renewals
        renewals += 1
        soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        return {"access_key": f"key{renewals}", "secret_key": "s", "token": f"token{renewals}", "expiry_time": soon}

    session: Any = AioSession()
    session._credentials = AioRefreshableCredentials.create_from_metadata(await renew(), renew, "test")
    async with sqs(MESSAGES, MESSAGES, session=session) as client:
        await client.receive_message(**RECEIVING)
        await client.receive_message(**RECEIVING)
    first, second = (request["headers"] for request in ScriptedSession.requests)
    assert first["x-amz-security-token"] != second["x-amz-security-token"]
    number = second["x-amz-security-token"].removeprefix("token")
    assert f"Credential=key{number}/" in second["authorization"]


async def test_what_is_not_signed_is_left_to_botocore() -> None:
    async with sqs(FRESH, signature_version=UNSIGNED) as client:
        assert "Fresh" not in await client.receive_message(**RECEIVING)
    [request] = ScriptedSession.requests
    assert "authorization" not in request["headers"]


@pytest.mark.parametrize(
    "url", ["https://sqs.eu-west-1.amazonaws.com/", "http://localhost:4566/sqs", "https://[::1]:8443/"]
)
async def test_any_endpoint_is_signed_for(url: str) -> None:
    async with sqs(FRESH, endpoint_url=url) as client:
        assert "Fresh" in await client.receive_message(**RECEIVING)
    [request] = ScriptedSession.requests
    assert "/eu-west-1/sqs/aws4_request" in request["headers"]["authorization"]
