"""Leases as items of the lease table.

One item per shard and subscription; ``mapping`` is the partition key, ``shard`` the sort key. Beside them, the item
``#subscription`` remembers where the subscription started. A tumbling window's state may be larger than an item can
be, so it is compressed, and what does not fit beside the position lies in parts of their own under another partition
key, where reading the leases does not read them.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from eventflow.model.mapping import StartingPosition
from eventflow_aws.streams.leases import Lease
from eventflow_aws.streams.shards import StartingPoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Item: TypeAlias = "dict[str, Any]"

SUBSCRIPTION: Final = "#subscription"
STATE_BESIDE_POSITION_BYTES: Final = 4_096
"""Of compressed state. Every look at the leases reads it, so it stays small."""
STATE_PART_BYTES: Final = 350_000
"""An item with its keys may have 400 KB. Source: DynamoDB guide: quotas."""


class StoredState(NamedTuple):
    """A state as it is stored: beside the position, or in parts."""

    beside: bytes | None
    parts: tuple[bytes, ...] = ()


def key(mapping: str, shard: str) -> Item:
    return {"mapping": {"S": mapping}, "shard": {"S": shard}}


def state_key(mapping: str, shard: str, number: int) -> Item:
    return key(f"{mapping}#state", f"{shard}#{number}")


def start_attributes(start: StartingPoint) -> Item:
    attributes: Item = {"start": {"S": start.position.value}}
    if start.timestamp is not None:
        attributes["start_timestamp"] = {"N": repr(start.timestamp)}
    return attributes


def start_of(item: Mapping[str, Any]) -> StartingPoint:
    timestamp = item.get("start_timestamp")
    return StartingPoint(StartingPosition(item["start"]["S"]), float(timestamp["N"]) if timestamp else None)


def new_item(mapping: str, lease: Lease) -> Item:
    """The item of a lease that nobody has had yet."""
    return {
        **key(mapping, lease.shard),
        **start_attributes(lease.start),
        "parents": {"L": [{"S": parent} for parent in lease.parents]},
        "counter": {"N": "0"},
        "heartbeat": {"N": "0"},
        "ended": {"BOOL": lease.ended},
    }


def lease_of(item: Mapping[str, Any]) -> Lease:
    return Lease(
        shard=item["shard"]["S"],
        start=start_of(item),
        parents=tuple(parent["S"] for parent in item["parents"]["L"]),
        owner=item["owner"]["S"] if "owner" in item else None,
        counter=int(item["counter"]["N"]),
        heartbeat=int(item["heartbeat"]["N"]),
        asked_by=item["asked_by"]["S"] if "asked_by" in item else None,
        ended=item["ended"]["BOOL"],
        position=int(item["position"]["S"]) if "position" in item else None,
        state_parts=int(item["state_parts"]["N"]) if "state_parts" in item else 0,
    )


def state_of(item: Mapping[str, Any], parts: Sequence[bytes]) -> str | None:
    """The state committed with the position: from its ``parts`` if it has any, else from beside the position."""
    if parts:
        return _decompressed(b"".join(parts))
    return _decompressed(item["state"]["B"]) if "state" in item else None


def stored_state(state: str | None) -> StoredState:
    if state is None:
        return StoredState(None)
    compressed = zlib.compress(state.encode())
    if len(compressed) <= STATE_BESIDE_POSITION_BYTES:
        return StoredState(compressed)
    starts = range(0, len(compressed), STATE_PART_BYTES)
    return StoredState(None, tuple(compressed[start : start + STATE_PART_BYTES] for start in starts))


def _decompressed(data: bytes) -> str:
    return zlib.decompress(data).decode()
