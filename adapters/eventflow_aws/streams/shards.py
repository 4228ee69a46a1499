"""Shards of Kinesis streams and DynamoDB Streams, as far as sharing them between processes needs to know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from eventflow.model.mapping import StartingPosition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.mapping import StreamMapping


class Shard(NamedTuple):
    """One shard of a listing. ``parents`` are none, one (after a split) or two (after a merge), and may be gone from
    the listing. A ``closed`` shard gets no more records."""

    id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


class ShardLister(Protocol):
    """Asks the service for the shards of one stream."""

    async def list_shards(self) -> Sequence[Shard]:
        """Every shard that still has records or may get some.

        Raises UnavailableError, ResourceNotFoundError, AccessDeniedError.
        """


class StartingPoint(NamedTuple):
    """Where the reading of a shard starts that nothing was committed of: TRIM_HORIZON, or AT_TIMESTAMP with the
    epoch seconds. LATEST is only ever asked for: when a subscription starts, it becomes the moment of that."""

    position: StartingPosition
    timestamp: float | None = None

    @classmethod
    def of(cls, mapping: StreamMapping, *, now: float) -> StartingPoint:
        """What a mapping asks for, with LATEST pinned to ``now``."""
        match mapping.starting_position:
            case StartingPosition.TRIM_HORIZON:
                return BEGINNING
            case StartingPosition.LATEST:
                return cls(StartingPosition.AT_TIMESTAMP, now)
            case StartingPosition.AT_TIMESTAMP:
                start = mapping.starting_timestamp
                return BEGINNING if start is None else cls(StartingPosition.AT_TIMESTAMP, start.timestamp())


BEGINNING = StartingPoint(StartingPosition.TRIM_HORIZON)
