"""Change streams of DocumentDB. Source: Lambda guide: with-documentdb."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from eventflow.model.subscriptions import StreamSubscription


class FullDocument(StrEnum):
    """What the change of an update holds. Inserts and replacements always hold the document.

    Source: Lambda API: DocumentDBEventSourceConfig.
    """

    DEFAULT = "Default"
    """What was changed."""
    UPDATE_LOOKUP = "UpdateLookup"
    """The whole document, too."""


class CollectionAddress(NamedTuple):
    """A collection, or a whole database. Written ``database.collection`` or ``database``; databases have no dots."""

    database: str
    collection: str | None = None

    @classmethod
    def parse(cls, name: str) -> CollectionAddress:
        """The inverse of ``name``."""
        database, _, collection = name.partition(".")
        return cls(database, collection or None)

    @property
    def name(self) -> str:
        """The logical name of the resource."""
        return self.database if self.collection is None else f"{self.database}.{self.collection}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSubscription(StreamSubscription):
    """Changes of one collection or database; ``name`` is that of its address."""

    full_document: FullDocument = FullDocument.DEFAULT
