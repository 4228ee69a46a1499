"""Changes of a table's items: from what the DynamoDB Streams API returns to what events carry.

The API client reads binary values as bytes; events have base64 text.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

from eventflow.events.dynamodb import item_key
from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from types_aiobotocore_dynamodbstreams.type_defs import RecordTypeDef

    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId

_ITEMS: Final = ("Keys", "NewImage", "OldImage")
_PLAIN: Final = ("SequenceNumber", "SizeBytes", "StreamViewType")


def change_of(shard: PartitionId, record: RecordTypeDef) -> StreamRecord:
    """One change, as :mod:`eventflow.events.dynamodb` expects it. Times are numbers: see TIMES_AS_NUMBERS."""
    source: Any = record["dynamodb"]
    timestamp: float = source["ApproximateCreationDateTime"]
    change: JsonObject = {"ApproximateCreationDateTime": int(timestamp) if timestamp.is_integer() else timestamp}
    change |= {name: _item(source[name]) for name in _ITEMS if name in source}
    change |= {name: source[name] for name in _PLAIN if name in source}
    attributes: JsonObject = {"eventID": record["eventID"], "eventName": record["eventName"], "dynamodb": change}
    if identity := record.get("userIdentity"):
        attributes["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return StreamRecord(shard, int(source["SequenceNumber"]), item_key(change["Keys"]), None, timestamp, attributes)


def _item(item: JsonObject) -> JsonObject:
    return {name: _value(value) for name, value in item.items()}


def _value(value: JsonObject) -> JsonObject:
    [(kind, content)] = value.items()
    match kind:
        case "B":
            return {kind: b64encode(content).decode()}
        case "BS":
            return {kind: [b64encode(member).decode() for member in content]}
        case "M":
            return {kind: _item(content)}
        case "L":
            return {kind: [_value(member) for member in content]}
        case _:
            return value
