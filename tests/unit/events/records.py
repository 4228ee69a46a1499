"""Records of every polled source for property tests, as an adapter would hand them over."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import strategies as st

from eventflow.events import documentdb
from eventflow.events.activemq import message_headers
from eventflow.events.attribute_values import serialise_item
from eventflow.events.dynamodb import change_record
from eventflow.events.rabbitmq import QUEUE, basic_properties
from eventflow.model.mapping import StreamViewType
from eventflow.model.records import QueueRecord, StreamRecord

NAMES = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=20)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
# What SQS lets into a body: no control character but these three.
BODIES = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), max_size=60)
MILLISECONDS = st.integers(0, 4_000_000_000_000)
TIMESTAMPS = MILLISECONDS.map(lambda milliseconds: milliseconds / 1000)


@st.composite
def sqs_records(draw: st.DrawFn) -> QueueRecord:
    count = draw(st.integers(1, 1000))
    attributes = {"ApproximateReceiveCount": str(count), "SentTimestamp": str(draw(MILLISECONDS))}
    group_id = draw(st.none() | NAMES)
    if group_id is not None:
        attributes |= {"MessageGroupId": group_id, "SequenceNumber": "18849496460467696128"}
    message_attribute = st.fixed_dictionaries({"stringValue": BODIES, "dataType": st.just("String")})
    return QueueRecord(
        message_id=draw(st.uuids().map(str)),
        receipt_handle=draw(NAMES),
        body=draw(BODIES),
        receive_count=count,
        group_id=group_id,
        attributes=attributes,
        message_attributes=draw(st.dictionaries(NAMES, message_attribute, max_size=3)),
    )


@st.composite
def kinesis_records(draw: st.DrawFn) -> StreamRecord:
    return StreamRecord(
        partition=f"shardId-{draw(st.integers(0, 999)):012d}",
        position=draw(st.integers(1, 10**56 - 1)),
        key=draw(TEXT),
        data=draw(st.binary(max_size=100)),
        timestamp=draw(TIMESTAMPS),
        attributes={},
    )


SCALARS = st.none() | st.booleans() | TEXT | st.binary(max_size=20) | st.integers(-(10**20), 10**20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.frozensets(TEXT, min_size=1, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def dynamodb_records(draw: st.DrawFn) -> StreamRecord:
    key = draw(TEXT)
    images = st.dictionaries(TEXT, VALUES, max_size=3).map(lambda item: serialise_item({**item, "id": key}))
    old, new = draw(st.none() | images), draw(st.none() | images)
    return change_record(
        partition="",
        sequence_number=draw(st.integers(1, 10**30)),
        timestamp=draw(TIMESTAMPS),
        event_id="c81e728d9d4c2f636f067f89cc14862c",
        keys={"id": {"S": key}},
        old_image=old,
        new_image=new,
        view_type=draw(st.sampled_from(StreamViewType)),
        expired=draw(st.booleans()),
    )


@st.composite
def kafka_records(draw: st.DrawFn) -> StreamRecord:
    topic, partition = draw(st.sampled_from(["orders", "a-b"])), draw(st.integers(0, 2))
    return StreamRecord(
        partition=f"{topic}-{partition}",
        position=draw(st.integers(0, 2**63 - 1)),
        key=draw(st.none() | st.binary(max_size=20)),
        data=draw(st.none() | st.binary(max_size=100)),
        timestamp=draw(TIMESTAMPS),
        attributes={
            "topic": topic,
            "partition": partition,
            "timestampType": draw(st.sampled_from(["CREATE_TIME", "LOG_APPEND_TIME"])),
            "headers": draw(st.lists(st.tuples(TEXT, st.binary(max_size=20)), max_size=3)),
        },
    )


@st.composite
def rabbitmq_records(draw: st.DrawFn) -> QueueRecord:
    body, redelivered = draw(st.binary(max_size=100)), draw(st.booleans())
    headers = st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20), max_size=3)
    message_id = draw(TEXT)
    properties = basic_properties(
        body, message_id=message_id, headers=draw(headers), timestamp=draw(st.none() | TIMESTAMPS)
    )
    queue = draw(st.sampled_from(["orders::/", "orders::shop"]))
    return QueueRecord(
        message_id=message_id,
        receipt_handle="",
        body=body,
        receive_count=2 if redelivered else 1,
        group_id=None,
        attributes={QUEUE: queue, "redelivered": redelivered, "basicProperties": properties},
        message_attributes={},
    )


@st.composite
def activemq_records(draw: st.DrawFn) -> QueueRecord:
    redelivered = draw(st.booleans())
    headers = message_headers(
        draw(NAMES),
        sent_at=draw(TIMESTAMPS),
        delivered_at=draw(TIMESTAMPS),
        redelivered=redelivered,
        binary=draw(st.booleans()),
        correlation_id=draw(st.none() | TEXT),
        properties=draw(st.dictionaries(TEXT, TEXT | st.integers(), max_size=3)),
    )
    return QueueRecord(
        message_id=draw(NAMES),
        receipt_handle="",
        body=draw(st.binary(max_size=100)),
        receive_count=2 if redelivered else 1,
        group_id=None,
        attributes=headers,
        message_attributes={},
    )


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | TEXT | st.integers(-(2**31), 2**31),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def documentdb_records(draw: st.DrawFn) -> StreamRecord:
    document = {"_id": {"$oid": "63eeb6e7d418cd98afb1c1d7"}, **draw(st.dictionaries(NAMES, JSON, max_size=3))}
    return documentdb.change_record(
        {
            "_id": {"_data": draw(NAMES)},
            "operationType": draw(st.sampled_from(["insert", "replace"])),
            "clusterTime": {"$timestamp": {"t": draw(st.integers(0, 2**32 - 1)), "i": 1}},
            "ns": {"db": draw(NAMES), "coll": draw(NAMES)},
            "documentKey": {"_id": document["_id"]},
            "fullDocument": document,
        }
    )
