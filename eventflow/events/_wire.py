"""Small pieces of wire format that several codecs share."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

from eventflow.model.records import SourceIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.json import JsonObject

_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f]")


def encode_base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Raises ValueError if ``text`` is not base64."""
    return a2b_base64(text, strict_mode=True)


def iso_seconds(timestamp: float) -> str:
    """``2025-11-24T10:00:00Z`` for an epoch time in seconds."""
    return f"{datetime.fromtimestamp(timestamp, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def arn_account(arn: str) -> str:
    """The account in an ARN, or zeros if there is none."""
    parts = arn.split(":")
    return (len(parts) > 4 and parts[4]) or "000000000000"


def arn_region(arn: str) -> str:
    """The region in an ARN; empty if there is none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 4 else ""


def first_record(wire: JsonObject) -> Mapping[str, Any]:
    """The first of ``Records``; empty if the event has none."""
    records = wire.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        return records[0]
    return {}


def is_authorizer(wire: JsonObject) -> bool:
    """Whether API Gateway asks if a request may pass; everything else in it is that request's."""
    return wire.get("type") in ("TOKEN", "REQUEST") and ("methodArn" in wire or "routeArn" in wire)


def is_stream_event(wire: JsonObject, service: str) -> bool:
    """Whether an event is of this stream service. The last event of a tumbling window may have no record, so
    the stream's ARN tells as well."""
    if record := first_record(wire):
        return record.get("eventSource") == f"aws:{service}"
    arn = wire.get("eventSourceARN")
    return "window" in wire and isinstance(arn, str) and arn.split(":")[2:3] == [service]


def stream_name(wire: JsonObject) -> str:
    """The stream or table in the ARN of a stream's event: ``...:stream/NAME``, ``...:table/NAME/stream/LABEL``."""
    arn = first_record(wire).get("eventSourceARN") or wire.get("eventSourceARN") or ""
    return str(arn).partition("/")[2].partition("/")[0]


def source_identity(wire: JsonObject) -> SourceIdentity:
    """The source of a polled event, as the event itself tells it."""
    record = first_record(wire)
    arn = str(record.get("eventSourceARN") or wire.get("eventSourceARN") or wire.get("eventSourceArn") or "")
    stated = {"bootstrapServers": wire.get("bootstrapServers"), "invokeIdentityArn": record.get("invokeIdentityArn")}
    extras = {name: value for name, value in stated.items() if value is not None}
    return SourceIdentity(arn=arn, region=record.get("awsRegion") or arn_region(arn), extras=extras)


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value. Writing and reading it is several times faster than walking it."""
    return from_json(to_json(value))


def base64_size(data: bytes | None) -> int:
    """The length of ``data`` in base64."""
    return (len(data) + 2) // 3 * 4 if data else 0


def text_size(text: str) -> int:
    """An upper bound of the bytes that text takes in JSON, its quotes included."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    size += text.count('"') + text.count("\\") + 2
    if not text.isprintable():
        size += 5 * len(_CONTROL_CHARACTER.findall(text))
    return size


def json_size(value: Any) -> int:
    """The bytes that a JSON value takes without spaces; encoding it is again the fastest way to tell."""
    return len(to_json(value))
