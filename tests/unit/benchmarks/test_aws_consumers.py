"""The contenders of the SQS and Kinesis benchmarks still run against their stubs."""

from __future__ import annotations

import json

import pytest

from benchmarks import kinesis, kinesis_consumers, sqs, sqs_consumers
from benchmarks.consumers import SERVER
from benchmarks.kinesis_stub import PAGE, SHARDS
from benchmarks.lease_stub import LeaseStub
from benchmarks.measure import CPU, RATE, Effort

A_LITTLE = Effort(rounds=1, scale=0.01)


@pytest.mark.parametrize("name", sqs_consumers.CONSUMERS)
def test_a_consumer_of_the_queue_is_measured(name: str) -> None:
    figures = sqs.on_stub(A_LITTLE, name)
    assert figures.keys() == {RATE, CPU, SERVER}
    assert figures[RATE] > 0
    assert figures[CPU] > 0


@pytest.mark.parametrize("name", kinesis_consumers.CONSUMERS)
def test_a_consumer_of_the_stream_is_measured(name: str) -> None:
    more_than_the_first_pages = SHARDS * PAGE / kinesis.RECORDS
    figures = kinesis.on_stub(Effort(rounds=1, scale=more_than_the_first_pages), name)
    assert figures.keys() == {RATE, CPU, SERVER}
    assert figures[RATE] > 0
    assert figures[CPU] > 0


def test_the_lease_stub_remembers_what_updates_say() -> None:
    operations = {name.partition(b".")[2]: call for name, call in LeaseStub().operations().items()}
    key = {"mapping": {"S": "m"}, "shard": {"S": "s"}}
    operations[b"PutItem"](json.dumps({"Item": {**key, "heartbeat": {"N": "1"}, "owner": {"S": "a"}}}).encode())
    update = {
        "Key": key,
        "UpdateExpression": "SET #position = :position, #heartbeat = #heartbeat + :one REMOVE #owner, #asked_by",
        "ExpressionAttributeNames": {f"#{name}": name for name in ("position", "heartbeat", "owner", "asked_by")},
        "ExpressionAttributeValues": {":position": {"S": "7"}, ":one": {"N": "1"}},
    }
    answer = json.loads(operations[b"UpdateItem"](json.dumps(update).encode()))
    item = {**key, "heartbeat": {"N": "2"}, "position": {"S": "7"}}
    assert answer["Attributes"] == item
    assert json.loads(operations[b"Query"](b"{}"))["Items"] == [item]
