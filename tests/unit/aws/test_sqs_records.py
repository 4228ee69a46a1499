from __future__ import annotations

from typing import Any

from eventflow_aws.sqs.records import queue_record


def test_nulls_are_as_good_as_nothing() -> None:
    message: Any = {"MessageId": "1", "ReceiptHandle": "r", "Body": "b", "Attributes": None, "MessageAttributes": None}
    record = queue_record(message, fifo=True)
    assert (record.receive_count, record.group_id, record.attributes, record.message_attributes) == (1, None, {}, {})
