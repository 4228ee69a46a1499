"""Records that Firehose wants transformed. Source: Firehose guide: data-transformation."""

from __future__ import annotations

from typing import Any

from eventflow.events._camel import CamelModel
from eventflow.events._wire import decode_base64


class FirehoseRecord(CamelModel):
    """``data`` is base64. ``approximate_arrival_timestamp`` is in milliseconds; in samples also text."""

    record_id: str
    approximate_arrival_timestamp: int | str | None = None
    data: str
    kinesis_record_metadata: dict[str, Any] | None = None

    @property
    def data_bytes(self) -> bytes:
        return decode_base64(self.data)


class FirehoseEvent(CamelModel):
    """A batch. Answer with ``records``, each with its ``recordId`` and a ``result``: Ok, Dropped, ProcessingFailed."""

    invocation_id: str
    delivery_stream_arn: str | None = None
    source_kinesis_stream_arn: str | None = None
    region: str | None = None
    records: list[FirehoseRecord]
