"""Putting records into a Kinesis data stream. Source: Kinesis API: PutRecords."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflow.errors import AdapterError, InvalidMessageError, UnavailableError
from eventflow.model import limits
from eventflow.policy.retry import reconnect_backoff
from eventflow_aws.coalescing import Coalescer
from eventflow_aws.faults import fault, translated
from eventflow_aws.names import Arn
from eventflow_aws.outbound import look, regional_arn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_kinesis.type_defs import PutRecordsRequestEntryTypeDef

    from eventflow.model.destinations import OutboundMessage
    from eventflow_aws.environment import Environment

PUT: Final = "kinesis:PutRecords"
MAXIMUM_RECORDS: Final = 500
MAXIMUM_BYTES: Final = 5 * limits.MEBIBYTE
"""Of one request; a larger record goes alone."""
PARTITION_KEY_CHARACTERS: Final = 256
EXPLICIT_HASH_KEY: Final = "ExplicitHashKey"
"""The message attribute that chooses the shard instead of the partition key: a number of 128 bits in decimal."""
LAST_HASH: Final = 2**128 - 1
ATTEMPTS: Final = 5
"""Of a record that is refused for now: a shard that takes no more this second takes it in the next."""


async def open_stream_sink(env: Environment, name: str) -> StreamSink:
    """Raises ResourceNotFoundError, AccessDeniedError, UnavailableError, AdapterError."""
    resource = f"kinesis:{name}"
    client = await env.clients.kinesis()
    return StreamSink(client, resource, await _stream_arn(env, client, resource))


async def _stream_arn(env: Environment, client: KinesisClient, resource: str) -> str:
    """What the service says, if we may ask it; else what it must be."""
    env.names.plain(resource)  # is it of this service?
    physical = env.names.physical(resource)
    which: Any = {"StreamName": physical} if Arn.parse(physical) is None else {"StreamARN": physical}
    arn: str | None = None
    with look(resource, "kinesis:DescribeStreamSummary"):
        arn = (await client.describe_stream_summary(**which))["StreamDescriptionSummary"]["StreamARN"]
    return arn or str(await regional_arn(env, resource))


class StreamSink:
    """A DestinationSink of one stream, many records in one request. ``key`` of a message is the partition key.

    Records that the stream refuses for now are sent again, and only they. So records of one key keep their order only
    if each is sent after the one before was.
    """

    def __init__(self, client: KinesisClient, resource: str, arn: str) -> None:
        self.arn = arn
        self._client = client
        self._resource = resource
        self._coalescer: Coalescer[PutRecordsRequestEntryTypeDef, None] = Coalescer(
            resource, self._put, maximum_count=MAXIMUM_RECORDS, maximum_bytes=MAXIMUM_BYTES
        )

    async def send(self, message: OutboundMessage) -> None:
        key = self._partition_key(message)
        size_bytes = len(message.body) + len(key.encode())
        if size_bytes > limits.KINESIS_RECORD_BYTES:
            allowed = f"{limits.KINESIS_RECORD_BYTES:,} are allowed"
            raise InvalidMessageError(
                self._resource, f"the record has {size_bytes:,} bytes with its partition key; {allowed}"
            )
        entry: PutRecordsRequestEntryTypeDef = {"Data": message.body, "PartitionKey": key}
        if EXPLICIT_HASH_KEY in message.attributes:
            entry["ExplicitHashKey"] = self._hash_key(str(message.attributes[EXPLICIT_HASH_KEY]))
        await self._coalescer.submit(entry, size_bytes=size_bytes)

    async def aclose(self) -> None:
        await self._coalescer.aclose()

    def _partition_key(self, message: OutboundMessage) -> str:
        key = message.key
        if not isinstance(key, str) or not 1 <= len(key) <= PARTITION_KEY_CHARACTERS:
            needs = f"a record needs a partition key of 1 to {PARTITION_KEY_CHARACTERS} characters"
            raise InvalidMessageError(self._resource, f"{needs}, not {key!r:.40}")
        return key

    def _hash_key(self, text: str) -> str:
        if not (text.isascii() and text.isdecimal() and int(text) <= LAST_HASH):
            raise InvalidMessageError(
                self._resource, f"{EXPLICIT_HASH_KEY} must be a number from 0 to 2**128 - 1, not {text!r}"
            )
        return text

    async def _put(self, entries: Sequence[PutRecordsRequestEntryTypeDef]) -> list[AdapterError | None]:
        results = await self._request(entries)
        for attempt in range(1, ATTEMPTS):
            refused = [index for index, result in enumerate(results) if isinstance(result, UnavailableError)]
            if not refused:
                break
            await anyio.sleep(reconnect_backoff(attempt, jitter=random.random()))
            try:
                again = await self._request([entries[index] for index in refused])
            except AdapterError:  # those that were taken stay taken
                break
            for index, result in zip(refused, again, strict=True):
                results[index] = result
        return results

    async def _request(self, entries: Sequence[PutRecordsRequestEntryTypeDef]) -> list[AdapterError | None]:
        with translated(self._resource, PUT, sends=True):
            answer = await self._client.put_records(StreamARN=self.arn, Records=entries)
        return [
            fault(self._resource, PUT, record["ErrorCode"], record.get("ErrorMessage", ""))
            if record.get("ErrorCode")
            else None
            for record in answer["Records"]
        ]
