"""What the sinks of streams make of answers that no test server gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import anyio
import pytest
from botocore.exceptions import ClientError

from eventflow.errors import AccessDeniedError, AdapterError, InvalidMessageError, UnavailableError
from eventflow.model.destinations import OutboundMessage
from eventflow_aws.streams.kinesis_sink import ATTEMPTS, StreamSink

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/orders"
THROTTLED = "ProvisionedThroughputExceededException"


class Streams:
    """A Kinesis client that refuses each record as often as ``refusals`` says, with ``code``."""

    def __init__(self, refusals: dict[bytes, int], *, code: str = THROTTLED) -> None:
        self.requests: list[list[bytes]] = []
        self.dies_at: int | None = None
        self._left = Counter(refusals)
        self._code = code

    async def put_records(self, *, StreamARN: str, Records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        assert StreamARN == ARN
        self.requests.append([entry["Data"] for entry in Records])
        if len(self.requests) == self.dies_at:
            raise ClientError({"Error": {"Code": "InternalFailure", "Message": "no"}}, "PutRecords")
        return {"Records": [self._answer(entry["Data"]) for entry in Records]}

    def _answer(self, data: bytes) -> dict[str, str]:
        if not self._left[data]:
            return {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
        self._left[data] -= 1
        return {"ErrorCode": self._code, "ErrorMessage": "no"}


async def send_all(client: Streams, *bodies: bytes) -> dict[bytes, AdapterError | None]:
    """What became of each."""
    sink = StreamSink(cast("Any", client), "kinesis:orders", ARN)
    outcomes: dict[bytes, AdapterError | None] = {}

    async def send(body: bytes) -> None:
        try:
            await sink.send(OutboundMessage(body=body, key="key"))
            outcomes[body] = None
        except AdapterError as exc:
            outcomes[body] = exc

    async with anyio.create_task_group() as tasks:
        for body in bodies:
            tasks.start_soon(send, body)
    await sink.aclose()
    return outcomes


async def test_records_that_are_refused_for_now_are_sent_again_and_only_they() -> None:
    client = Streams({b"b": 2, b"c": 1})
    assert await send_all(client, b"a", b"b", b"c") == {b"a": None, b"b": None, b"c": None}
    assert client.requests == [[b"a", b"b", b"c"], [b"b", b"c"], [b"b"]]


async def test_record_that_stays_refused_fails_alone() -> None:
    client = Streams({b"b": 99})
    outcomes = await send_all(client, b"a", b"b")
    assert outcomes[b"a"] is None
    assert isinstance(outcomes[b"b"], UnavailableError)
    assert len(client.requests) == ATTEMPTS


async def test_record_that_may_never_be_put_is_not_sent_again() -> None:
    client = Streams({b"b": 99}, code="KMSAccessDeniedException")
    assert isinstance((await send_all(client, b"a", b"b"))[b"b"], AccessDeniedError)
    assert len(client.requests) == 1


async def test_service_that_goes_away_between_attempts_fails_only_what_it_has_not_taken() -> None:
    client = Streams({b"b": 1})
    client.dies_at = 2
    outcomes = await send_all(client, b"a", b"b")
    assert outcomes[b"a"] is None
    assert isinstance(outcomes[b"b"], UnavailableError)


@pytest.mark.parametrize("key", [None, "", b"bytes", "k" * 257])
async def test_record_without_a_usable_partition_key_is_refused(key: str | bytes | None) -> None:
    sink = StreamSink(cast("Any", Streams({})), "kinesis:orders", ARN)
    with pytest.raises(InvalidMessageError, match="partition key of 1 to 256 characters"):
        await sink.send(OutboundMessage(body=b"x", key=key))
