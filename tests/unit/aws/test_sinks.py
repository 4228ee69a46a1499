"""What the sinks make of answers that no test server gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from eventflow.errors import (
    AccessDeniedError,
    AdapterError,
    InvalidMessageError,
    ResourceNotFoundError,
    UnavailableError,
)
from eventflow.model.destinations import OutboundMessage
from eventflow_aws.outbound import look
from eventflow_aws.sinks.eventbridge import BusSink
from eventflow_aws.sinks.sns import TopicSink

BUS = "arn:aws:events:us-east-1:123456789012:event-bus/audit"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


class Topics:
    """An SNS client that fails messages by their text: ``Throttled`` fails with that code."""

    def __init__(self, refuses_all: ClientError | None = None) -> None:
        self.requests: list[list[str]] = []
        self._refuses_all = refuses_all

    async def publish_batch(
        self, *, TopicArn: str, PublishBatchRequestEntries: Sequence[dict[str, str]]
    ) -> dict[str, Any]:
        assert TopicArn == TOPIC
        self.requests.append([entry["Message"] for entry in PublishBatchRequestEntries])
        if self._refuses_all is not None:
            raise self._refuses_all
        failed = [
            {"Id": entry["Id"], "Code": entry["Message"], "Message": "no", "SenderFault": True}
            for entry in PublishBatchRequestEntries
            if entry["Message"] != "fine"
        ]
        return {"Successful": [], "Failed": failed}


class Buses:
    """An EventBridge client that fails events by their detail type."""

    async def put_events(self, *, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
        results = [
            {"EventId": "1"}
            if entry["DetailType"] == "fine"
            else {"ErrorCode": entry["DetailType"], "ErrorMessage": "no"}
            for entry in Entries
        ]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}


def topic_sink(client: Topics) -> TopicSink:
    return TopicSink(cast("Any", client), "sns:alarms", TOPIC)


def bus_sink() -> BusSink:
    return BusSink(cast("Any", Buses()), "eventbridge:audit", BUS)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InvalidParameter", InvalidMessageError),
        ("Throttled", UnavailableError),
        ("InternalError", UnavailableError),
        ("AuthorizationError", AccessDeniedError),
        ("SomethingNew", UnavailableError),
    ],
)
async def test_a_failed_message_of_a_batch_tells_whether_to_try_again(code: str, error: type[AdapterError]) -> None:
    with pytest.raises(error, match=r"^sns:alarms: sns:Publish"):
        await topic_sink(Topics()).send(OutboundMessage(body=code.encode()))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("MalformedDetail", InvalidMessageError),
        ("InvalidArgument", InvalidMessageError),
        ("NotAuthorizedForSourceException", InvalidMessageError),
        ("ThrottlingException", UnavailableError),
        ("InternalFailure", UnavailableError),
        ("SomethingNew", UnavailableError),
    ],
)
async def test_a_failed_event_of_a_batch_tells_whether_to_try_again(code: str, error: type[AdapterError]) -> None:
    with pytest.raises(error, match=r"^eventbridge:audit: events:PutEvents"):
        await bus_sink().send(OutboundMessage(body=b"{}", source="tests", detail_type=code))


async def test_an_accepted_event_is_sent() -> None:
    await bus_sink().send(OutboundMessage(body=b"{}", source="tests", detail_type="fine"))


@pytest.mark.parametrize(
    ("code", "error"),
    [("NotFound", ResourceNotFoundError), ("InternalError", UnavailableError), ("AccessDenied", AccessDeniedError)],
)
async def test_a_failed_request_is_no_fault_of_its_messages(code: str, error: type[AdapterError]) -> None:
    with pytest.raises(error):
        await topic_sink(Topics(refusal(code))).send(OutboundMessage(body=b"fine"))


async def test_what_cannot_be_sent_reaches_no_service() -> None:
    client = Topics()
    for message in (OutboundMessage(body=b"\xff"), OutboundMessage(body=b"x", attributes={"n": "x" * 262_144})):
        with pytest.raises(InvalidMessageError):
            await topic_sink(client).send(message)
    assert client.requests == []


@pytest.mark.parametrize("code", ["403", "AccessDenied", "AccessDeniedException", "AuthorizationError"])
def test_a_look_that_is_not_allowed_stops_nothing(code: str) -> None:
    with look("s3:reports", "s3:ListBucket"):
        raise refusal(code)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("404", ResourceNotFoundError),
        ("NotFound", ResourceNotFoundError),
        ("InvalidClientTokenId", AccessDeniedError),
        ("Throttling", UnavailableError),
    ],
)
def test_a_look_that_finds_something_wrong_stops_the_start(code: str, error: type[AdapterError]) -> None:
    with pytest.raises(error), look("s3:reports", "s3:ListBucket"):
        raise refusal(code)
