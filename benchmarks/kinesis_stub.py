"""A stream of Kinesis: ``python -m benchmarks.kinesis_stub PAGES`` serves until it is stopped.

Each of its shards has the same records, in pages that are made before the first is asked for. An iterator is the
number of a page. It keeps the lease table, too.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from typing import Final

import uvloop

from benchmarks.aws_stub import Operation, RefusedError, serve
from benchmarks.lease_stub import LeaseStub
from benchmarks.payload import SHORT_BODY

STREAM: Final = "clicks"
SHARDS: Final = 4
PAGE: Final = 1_000
KEYS: Final = 100
ARN: Final = f"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"
FIRST_SEQUENCE_NUMBER: Final = 49600000000000000000000000000000000000000000000000000000
ARRIVED_AT: Final = 1767225600.123
NOT_YET: Final = 60_000
"""Milliseconds behind the tip, until the last page."""


def operations(pages: int, url: str) -> Mapping[bytes, Operation]:
    """What consumers of one stream ask for. They start at the beginning of each shard."""
    answers = {str(number).encode(): _page(number) for number in range(pages)}
    answers[str(pages).encode()] = _json({"Records": [], "NextShardIterator": str(pages), "MillisBehindLatest": 0})

    def records(body: bytes) -> bytes:
        return answers[body.partition(b'"ShardIterator": "')[2].partition(b'"')[0]]

    def iterator(body: bytes) -> bytes:
        if b'"TRIM_HORIZON"' not in body:
            raise RefusedError("InvalidArgumentException")
        return b'{"ShardIterator":"0"}'

    canned = {"DescribeStreamSummary": _json(_summary()), "ListShards": _json({"Shards": _shards()})}
    return {
        b"Kinesis_20131202.GetRecords": records,
        b"Kinesis_20131202.GetShardIterator": iterator,
        **{f"Kinesis_20131202.{name}".encode(): partial(_same, body) for name, body in canned.items()},
        **LeaseStub().operations(),
    }


def _page(number: int) -> bytes:
    records = [_record(number * PAGE + index) for index in range(PAGE)]
    return _json({"Records": records, "NextShardIterator": str(number + 1), "MillisBehindLatest": NOT_YET})


def _record(number: int) -> dict[str, object]:
    return {
        "SequenceNumber": str(FIRST_SEQUENCE_NUMBER + number),
        "PartitionKey": f"customer-{number % KEYS}",
        "Data": b64encode(SHORT_BODY.encode()).decode(),
        "ApproximateArrivalTimestamp": ARRIVED_AT,
    }


def _summary() -> dict[str, object]:
    return {"StreamDescriptionSummary": {"StreamName": STREAM, "StreamARN": ARN, "StreamStatus": "ACTIVE"}}


def _shards() -> list[dict[str, object]]:
    numbers = {"StartingSequenceNumber": str(FIRST_SEQUENCE_NUMBER)}
    hashes = {"StartingHashKey": "0", "EndingHashKey": "0"}
    return [
        {"ShardId": f"shardId-{number:012}", "HashKeyRange": hashes, "SequenceNumberRange": numbers}
        for number in range(SHARDS)
    ]


def _same(answer: bytes, body: bytes) -> bytes:
    return answer


def _json(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


if __name__ == "__main__":
    uvloop.run(serve(partial(operations, int(sys.argv[1]))))
