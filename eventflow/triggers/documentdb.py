"""``@on_documentdb`` and ``@on_documentdb_batch``. Source: Lambda guide: with-documentdb."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, Unpack, cast

from eventflow.events.documentdb import DOCUMENTDB
from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.model.documentdb import ChangeSubscription, CollectionAddress, FullDocument
from eventflow.model.mapping import StartingPosition
from eventflow.model.trigger import InvocationModel
from eventflow.triggers._checks import Checker, batch_problems, stream_problems
from eventflow.triggers._marks import F, mark_with_trigger
from eventflow.triggers._stream import OrderedOptions, StartingPositionName, StreamTrigger, stream_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject
    from eventflow.model.mapping import StreamMapping
    from eventflow.triggers._stream import StreamOptions

FullDocumentName: TypeAlias = Literal["Default", "UpdateLookup"]

_DATABASE_NAME = re.compile(r"[^\x00-\x20/\\.\"$]{1,63}")
_COLLECTION_NAME = re.compile(r"(?!system\.)[^\x00$]{1,57}")
_DEFAULT_WINDOW_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDBTrigger(StreamTrigger):
    """The change stream of one collection or database, polled for one function."""

    service: ClassVar[Service] = Service.DOCUMENTDB
    invocation_model: ClassVar[InvocationModel] = InvocationModel.POLLING
    partial_responses: ClassVar[bool] = False

    database: str
    collection: str | None
    full_document: str

    @property
    def maximum_timeout_seconds(self) -> float:
        return limits.MAXIMUM_BROKER_TIMEOUT_SECONDS

    @property
    def decorator(self) -> str:
        collection = "" if self.collection is None else f', collection="{self.collection}"'
        return f'@on_documentdb{"" if self.each_record else "_batch"}("{self.database}"{collection})'

    def subscription(self, subscriber: str) -> ChangeSubscription:
        return ChangeSubscription(
            service=self.service,
            name=self.stream,
            subscriber=subscriber,
            mapping=self.settings,
            full_document=FullDocument(self.full_document),
        )

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        origin = DOCUMENTDB.origin(event)
        return self.is_called(origin if self.collection else CollectionAddress.parse(origin).database, bound_to)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        hint = '1 to 63 characters, no space and none of / \\ . " $'
        yield from check.matches("database", self.database, _DATABASE_NAME, hint)
        if self.collection is not None:
            hint = "1 to 57 characters without $, not beginning with system."
            yield from check.matches("collection", self.collection, _COLLECTION_NAME, hint)
        yield from check.one_of("full_document", self.full_document, list(FullDocument))
        yield from batch_problems(check, self.settings.batch, DOCUMENTDB.filter_rules, maximum_size=10_000)
        yield from stream_problems(check, self.settings, positions=list(StartingPosition))


def on_documentdb(
    database: str,
    *,
    collection: str | None = None,
    full_document: FullDocumentName = "Default",
    starting_position: StartingPositionName = "TRIM_HORIZON",
    **options: Unpack[OrderedOptions],
) -> Callable[[F], F]:
    """Call the handler once per change of a collection, or of all collections of ``database``, in order.

    The handler may take the document after the change as a pydantic model or any type pydantic validates; it is
    ``None`` after a removal, and after an update without ``full_document="UpdateLookup"``. Or it takes
    :class:`~eventflow.events.DocumentDBRecord`; or nothing annotated, for the raw record. A failing change is tried
    again, up to its limits, before the next one. Options: see :func:`on_documentdb_batch`.
    """
    mapping = _mapping(starting_position, options)
    return mark_with_trigger(_trigger(database, collection, full_document, mapping, each_record=True))


def on_documentdb_batch(
    database: str,
    *,
    collection: str | None = None,
    full_document: FullDocumentName = "Default",
    starting_position: StartingPositionName = "TRIM_HORIZON",
    **options: Unpack[OrderedOptions],
) -> Callable[[F], F]:
    """Call the handler with batches of changes, under Lambda's own contract: one batch at a time, and a batch whose
    invocation fails is repeated as a whole.

    ``collection`` restricts the changes to one collection of ``database``. ``full_document="UpdateLookup"`` gives the
    whole document after an update, too. ``starting_position`` is used where nothing was committed yet;
    ``AT_TIMESTAMP`` goes with ``starting_timestamp``. ``batch_size`` 1 to 10,000, default 100;
    ``maximum_batching_window_seconds`` 0 to 300 from the first change on, default 0.5.

    What Lambda does not have: ``maximum_retry_attempts`` and ``maximum_record_age_seconds``, -1 for no limit, and
    ``on_failure``, which gets a record of what is given up.
    """
    mapping = _mapping(starting_position, options)
    return mark_with_trigger(_trigger(database, collection, full_document, mapping, each_record=False))


def _mapping(position: str, options: OrderedOptions) -> StreamMapping:
    return stream_mapping(
        cast("StreamOptions", options),  # what is missing there has its default
        starting_position=position,
        window_seconds=_DEFAULT_WINDOW_SECONDS,
        window_opens_with_first_record=True,
        report_batch_item_failures=False,
    )


def _trigger(
    database: str, collection: str | None, full_document: str, mapping: StreamMapping, *, each_record: bool
) -> DocumentDBTrigger:
    return DocumentDBTrigger(
        stream=CollectionAddress(database, collection).name,
        settings=mapping,
        each_record=each_record,
        database=database,
        collection=collection,
        full_document=full_document,
    )
