"""Takes apart what serialisers of a schema registry wrote: a magic byte, the schema's id, the data.

Source: Confluent documentation: wire format. Lambda guide: services-consume-kafka-events.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from eventflow.model.kafka import EventRecordFormat, SchemaAttribute
from eventflow.model.records import StreamRead, StreamRecord
from eventflow_kafka.schemas import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.kafka import SchemaValidation
    from eventflow_kafka.buffers import PartitionBuffer
    from eventflow_kafka.registry import SchemaRegistry

_HEADER: Final = struct.Struct(">bI")
_MAGIC: Final = 0


class _Decoded(NamedTuple):
    data: bytes
    metadata: Mapping[str, str]


class SchemaReader:
    """Reads partitions whose records were written with schemas.

    A record that does not fit is handed on with ``problem`` among its attributes: it fails when its event is built, so
    it is retried, given up and reported as any record that fails. A registry that does not answer makes reads fail.
    """

    def __init__(self, registry: SchemaRegistry, validation: SchemaValidation) -> None:
        self._registry = registry
        self._attributes = validation.attributes
        self._as_json = validation.event_record_format is EventRecordFormat.JSON
        self._held: WeakKeyDictionary[PartitionBuffer, StreamRead] = WeakKeyDictionary()

    async def read(self, buffer: PartitionBuffer, *, max_records: int, wait_seconds: float) -> StreamRead:
        """See StreamSource. What was taken from the buffer and could not be looked at is looked at again."""
        read = self._held.get(buffer)
        if read is None:
            read = self._held[buffer] = await buffer.read(max_records=max_records, wait_seconds=wait_seconds)
        records = tuple([await self._decoded(record) for record in read.records])
        del self._held[buffer]
        return StreamRead(records, behind_seconds=read.behind_seconds)

    async def _decoded(self, record: StreamRecord) -> StreamRecord:
        attributes: dict[str, Any] = dict(record.attributes)
        data = record.data
        try:
            if SchemaAttribute.KEY in self._attributes and record.key is not None:
                key = await self._take_apart(_as_bytes(record.key), "key")
                attributes |= {"key": key.data, "keySchemaMetadata": key.metadata}
            if SchemaAttribute.VALUE in self._attributes and data is not None:
                value = await self._take_apart(data, "value")
                data, attributes["valueSchemaMetadata"] = value.data, value.metadata
        except SchemaMismatchError as exc:
            return record._replace(attributes={**record.attributes, "problem": str(exc)})
        return record._replace(data=data, attributes=attributes)

    async def _take_apart(self, framed: bytes, part: str) -> _Decoded:
        if len(framed) < _HEADER.size or framed[0] != _MAGIC:
            raise SchemaMismatchError(f"the {part}: it does not begin with a magic byte and the id of a schema")
        _, schema_id = _HEADER.unpack_from(framed)
        data = framed[_HEADER.size :]
        try:
            schema = self._registry.known(schema_id) or await self._registry.fetch(schema_id)
            decoded = schema.to_json(data)
        except SchemaMismatchError as exc:
            raise SchemaMismatchError(f"the {part}: {exc}") from exc
        metadata = {"dataFormat": schema.data_format, "schemaId": str(schema_id)}
        return _Decoded(decoded if self._as_json else data, metadata)


def _as_bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key
