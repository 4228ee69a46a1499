"""What on-failure destinations of ordered sources receive.

Source: Lambda guide: with-kinesis, with-ddb, with-kafka: on-failure destinations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Condition, Destination, OutboundMessage, Service
from eventflow.model.invocation import iso_milliseconds
from eventflow.policy.batches import iso_seconds
from eventflow.policy.destination_messages import object_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.events._codec import RecordCodec
    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId, Position, SourceIdentity, StreamRecord

_VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSpan:
    """Where a batch lies in its partition. Times are arrivals in epoch seconds."""

    first_position: Position
    last_position: Position
    first_arrival: float
    last_arrival: float
    size: int

    @classmethod
    def of(cls, records: Sequence[StreamRecord]) -> BatchSpan:
        """The span of at least one record."""
        first, last = records[0], records[-1]
        return cls(
            first_position=first.position,
            last_position=last.position,
            first_arrival=first.timestamp,
            last_arrival=last.timestamp,
            size=len(records),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """Records that are given up together, and why.

    ``records`` are empty for the final invocation of a window. ``event`` is what the function was, or would have
    been, invoked with; ``None`` if the records cannot be made into an event. ``invoke_count`` counts the failed
    invocations, ``raised`` says that the last one failed itself instead of reporting failures.
    """

    partition: PartitionId
    records: Sequence[StreamRecord]
    span: BatchSpan
    condition: Condition
    request_id: str
    invoke_count: int
    raised: bool
    event: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecords:
    """Writes the records of one mapping. ``mapping_id`` is the event source mapping's UUID."""

    service: Service
    identity: SourceIdentity
    codec: RecordCodec[StreamRecord]
    function_arn: str
    mapping_id: str

    def messages(
        self, given_up: GivenUp, destination: Destination, *, now: float, unique: Callable[[], str]
    ) -> list[OutboundMessage]:
        """What ``destination`` is sent. ``unique`` makes UUIDs for object keys.

        Queues and topics get the record alone, a bucket and a Kafka topic the data as well; a Kafka topic gets
        one message per record, with the record's own key.
        """
        if destination.service is Service.KAFKA:
            return [self._topic_message(given_up, record, now=now) for record in given_up.records]
        record = self.record(given_up, now=now)
        if destination.service is not Service.S3:
            return [OutboundMessage(body=_json(record))]
        payload = None if given_up.event is None else _text(given_up.event)
        prefix = f"aws/lambda/{self.mapping_id}/{given_up.partition}"
        return [OutboundMessage(body=_json({**record, "payload": payload}), key=object_key(prefix, now, unique()))]

    def record(self, given_up: GivenUp, *, now: float) -> JsonObject:
        """The record itself, keys in Lambda's order."""
        wire = self._contexts(given_up, now=now)
        name, info = self._batch_info(given_up)
        return {**wire, name: info}

    def _contexts(self, given_up: GivenUp, *, now: float) -> JsonObject:
        wire: JsonObject = {
            "requestContext": {
                "requestId": given_up.request_id,
                "functionArn": self.function_arn,
                "condition": str(given_up.condition),
                "approximateInvokeCount": max(1, given_up.invoke_count),
            }
        }
        if given_up.condition is Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED:
            wire["responseContext"] = None
        elif given_up.condition is not Condition.RECORD_AGE_EXCEEDED:
            wire["responseContext"] = {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled" if given_up.raised else None,
            }
        return {**wire, "version": _VERSION, "timestamp": iso_milliseconds(now)}

    def _batch_info(self, given_up: GivenUp) -> tuple[str, JsonObject]:
        match self.service:
            case Service.KINESIS:
                return "KinesisBatchInfo", self._shard_info(given_up, iso_milliseconds)
            case Service.DYNAMODB:
                return "DDBStreamBatchInfo", self._shard_info(given_up, iso_seconds)
            case Service.KAFKA:
                return "KafkaBatchInfo", self._kafka_info(given_up)
            case Service.DOCUMENTDB:
                return "DocumentDBBatchInfo", self._change_info(given_up)
            case _:
                raise ValueError(f"{self.service} is not an ordered source")

    def _shard_info(self, given_up: GivenUp, time: Callable[[float], str]) -> JsonObject:
        span = given_up.span
        return {
            "shardId": given_up.partition,
            "startSequenceNumber": str(span.first_position),
            "endSequenceNumber": str(span.last_position),
            "approximateArrivalOfFirstRecord": time(span.first_arrival),
            "approximateArrivalOfLastRecord": time(span.last_arrival),
            "batchSize": span.size,
            "streamArn": self.identity.arn,
        }

    def _change_info(self, given_up: GivenUp) -> JsonObject:
        """Lambda has no such record: the fields of others, with resume tokens."""
        span = given_up.span
        return {
            "startResumeToken": str(span.first_position),
            "endResumeToken": str(span.last_position),
            "approximateArrivalOfFirstRecord": iso_seconds(span.first_arrival),
            "approximateArrivalOfLastRecord": iso_seconds(span.last_arrival),
            "batchSize": span.size,
            "eventSourceArn": self.identity.arn,
        }

    def _kafka_info(self, given_up: GivenUp) -> JsonObject:
        span = given_up.span
        info = self._kafka_source(span.size, given_up.event)
        info["recordsInfo"] = {
            given_up.partition: {
                "firstRecordOffset": str(span.first_position),
                "lastRecordOffset": str(span.last_position),
                "firstRecordTimestamp": iso_milliseconds(span.first_arrival),
                "lastRecordTimestamp": iso_milliseconds(span.last_arrival),
            }
        }
        return info

    def _kafka_source(self, size: int, event: JsonObject | None) -> JsonObject:
        info: JsonObject = {"batchSize": size}
        if self.identity.arn:
            info["eventSourceArn"] = self.identity.arn
        if "bootstrapServers" in self.identity.extras:
            info["bootstrapServers"] = self.identity.extras["bootstrapServers"]
        info["payloadSize"] = 0 if event is None else len(_json(event))
        return info

    def _topic_message(self, given_up: GivenUp, record: StreamRecord, *, now: float) -> OutboundMessage:
        # What is too large for an event is too large for a topic's message as well.
        sent = given_up.event is not None and given_up.condition is not Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED
        event = self.codec.wire_event([record], self.identity) if sent else None
        info = self._kafka_source(1, event)
        info["recordInfo"] = {"offset": str(record.position), "timestamp": iso_milliseconds(record.timestamp)}
        wire = {**self._contexts(given_up, now=now), "KafkaBatchInfo": info, "payload": event}
        return OutboundMessage(body=_json(wire), key=record.key)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _json(value: Any) -> bytes:
    return _text(value).encode()
