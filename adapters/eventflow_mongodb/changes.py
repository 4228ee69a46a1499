"""Changes as the cluster sends them, to records."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bson import Code, CodecOptions, DatetimeConversion
from bson.codec_options import TypeDecoder, TypeRegistry
from bson.json_util import RELAXED_JSON_OPTIONS, default, dumps

from eventflow.events.documentdb import CHANGES, SIZE
from eventflow.model.records import StreamRecord
from eventflow_mongodb.places import Behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bson import Timestamp

LARGEST_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
"""Source: MongoDB: limits."""


class _CodeDecoder(TypeDecoder):
    """JavaScript is a kind of text to the driver, and would be written as such."""

    bson_type: ClassVar[type] = Code

    def transform_bson(self, value: Code) -> dict[str, Any]:
        return {"$code": str(value)} if value.scope is None else {"$code": str(value), "$scope": value.scope}


CODEC_OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    # Any date that MongoDB can hold, and text that is not quite UTF-8: one document must not stop a stream.
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",
    type_registry=TypeRegistry([_CodeDecoder()]),
)
_default = partial(default, json_options=RELAXED_JSON_OPTIONS)


def change_record(change: Mapping[str, Any], *, oversized: bool = False) -> StreamRecord:
    """The record of a change as the driver decodes it with CODEC_OPTIONS: in extended JSON, relaxed as Java's driver
    writes it. One that is ``oversized`` came without its document, because the cluster cannot send it with it."""
    time: Timestamp | None = change.get("clusterTime")
    attributes = {SIZE: LARGEST_DOCUMENT_BYTES} if oversized else {}
    return StreamRecord(
        CHANGES, change["_id"]["_data"], None, _json(change), float(time.time) if time else 0.0, attributes
    )


def place_behind(change: Mapping[str, Any]) -> Behind:
    """Where to go on behind a change."""
    invalidated = change.get("operationType") == "invalidate"
    return Behind(change["_id"]["_data"], change.get("clusterTime") if invalidated else None)


def _json(change: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(change, default=_default, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # numbers that JSON does not have
        text = dumps(change, json_options=RELAXED_JSON_OPTIONS, ensure_ascii=False, separators=(",", ":"))
    return text.encode()
