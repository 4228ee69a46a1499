"""Records that are made only where somebody looks at them one by one: many handlers want the payloads, nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.records import Position


class LazyRecords(Sequence[StreamRecord], ABC):
    """Records of one partition, in their order. Slices of them are lazy, too."""

    __slots__ = ()

    @abstractmethod
    def joined(self, others: Sequence[LazyRecords]) -> LazyRecords:
        """These and then ``others``, of the same partition."""

    @abstractmethod
    def positions(self) -> list[Position]:
        """That of each."""

    @abstractmethod
    def values(self) -> list[bytes | None]:
        """The data of each."""

    @abstractmethod
    def keys(self) -> list[str | bytes | None]:
        """The key of each."""

    @abstractmethod
    def shared_attributes(self) -> Mapping[str, Any] | None:
        """The attributes that all of them have, as the same object; ``None`` if not all do."""
