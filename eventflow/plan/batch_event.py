"""A batch on its way to a handler: the event is built only if somebody looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventflow.events._codec import RecordCodec
    from eventflow.model.json import JsonObject
    from eventflow.model.records import SourceIdentity

_NOTHING: Final[JsonObject] = {}


class BatchEvent(Mapping[str, Any]):
    """Lambda's event of some records, for one invocation. ``wire()`` is the event itself, built on first use.

    ``added`` is what a tumbling window adds to it. Reading a record that cannot be decoded raises, here and there.
    """

    __slots__ = ("_added", "_codec", "_identity", "_wire", "records")

    def __init__(
        self,
        codec: RecordCodec[Any],
        records: Sequence[Any],
        identity: SourceIdentity,
        added: JsonObject = _NOTHING,
    ) -> None:
        self.records = records
        self._codec = codec
        self._identity = identity
        self._added = added
        self._wire: JsonObject | None = None

    def wire(self) -> JsonObject:
        """The event, which is the handler's to change."""
        if self._wire is None:
            self._wire = {**self._codec.wire_event(self.records, self._identity), **self._added}
        return self._wire

    def __getitem__(self, key: str) -> Any:
        return self.wire()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.wire())

    def __len__(self) -> int:
        return len(self.wire())

    def __repr__(self) -> str:
        return f"BatchEvent({len(self.records)} records)"
