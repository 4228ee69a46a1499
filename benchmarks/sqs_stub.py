"""A queue of SQS that never runs dry: ``python -m benchmarks.sqs_stub`` serves until it is stopped.

Every ReceiveMessage is answered at once with ten messages from a ring, whose receipts nobody else has at that time;
all deletes succeed. It says that few messages wait, so nobody starts more pollers than there were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from hashlib import md5
from itertools import cycle
from typing import Final

import uvloop

from benchmarks.aws_stub import Operation, serve
from benchmarks.payload import SHORT_BODY

QUEUE: Final = "orders"
BATCH: Final = 10
ANSWERS: Final = 1_000
ACCOUNT_ID: Final = "000000000000"
ATTRIBUTES: Final = {
    "VisibilityTimeout": "30",
    "QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT_ID}:{QUEUE}",
    "ApproximateNumberOfMessages": "5",
    "ApproximateNumberOfMessagesNotVisible": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
}


def operations(url: str) -> Mapping[bytes, Operation]:
    """What consumers of one queue ask for."""
    answers = cycle([_messages(number) for number in range(ANSWERS)])
    settled = [_settled(count) for count in range(BATCH + 1)]
    canned = {
        "GetQueueUrl": _json({"QueueUrl": f"{url}/{ACCOUNT_ID}/{QUEUE}"}),
        "GetQueueAttributes": _json({"Attributes": ATTRIBUTES}),
    }

    def settle(body: bytes) -> bytes:
        return settled[body.count(b'"ReceiptHandle"')]

    return {
        b"AmazonSQS.ReceiveMessage": lambda body: next(answers),
        b"AmazonSQS.DeleteMessageBatch": settle,
        b"AmazonSQS.ChangeMessageVisibilityBatch": settle,
        **{f"AmazonSQS.{name}".encode(): partial(_same, body) for name, body in canned.items()},
    }


def _messages(number: int) -> bytes:
    return _json({"Messages": [_message(number * BATCH + index) for index in range(BATCH)]})


def _message(number: int) -> dict[str, object]:
    """As long as SQS's own: a receipt has some 400 characters."""
    return {
        "MessageId": f"5fea7756-0ea4-451a-a703-{number:012}",
        "ReceiptHandle": f"{number:012}" + "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".ljust(384, "x") + "==",
        "MD5OfBody": md5(SHORT_BODY.encode(), usedforsecurity=False).hexdigest(),
        "Body": SHORT_BODY,
        "Attributes": {
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1767225600123",
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1767225600000",
        },
    }


def _settled(count: int) -> bytes:
    """Everybody numbers the entries of a batch from 0."""
    return _json({"Successful": [{"Id": str(index)} for index in range(count)], "Failed": []})


def _same(answer: bytes, body: bytes) -> bytes:
    return answer


def _json(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


if __name__ == "__main__":
    uvloop.run(serve(operations))
