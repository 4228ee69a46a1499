"""``@on_dynamodb_stream`` and ``@on_dynamodb_stream_batch``. Source: Lambda guide: with-ddb."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, Unpack

from eventflow.events.dynamodb import DYNAMODB
from eventflow.model.destinations import Service
from eventflow.model.mapping import StreamViewType
from eventflow.model.subscriptions import StreamSubscription
from eventflow.model.trigger import InvocationModel
from eventflow.triggers._checks import Checker, batch_problems, stream_problems
from eventflow.triggers._marks import F, mark_with_trigger
from eventflow.triggers._stream import BatchStreamOptions, StreamOptions, StreamTrigger, stream_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")

TablePositionName: TypeAlias = Literal["TRIM_HORIZON", "LATEST"]
ViewTypeName: TypeAlias = Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDBTrigger(StreamTrigger):
    """The stream of one DynamoDB table, polled for one function."""

    service: ClassVar[Service] = Service.DYNAMODB
    invocation_model: ClassVar[InvocationModel] = InvocationModel.POLLING

    view_type: str

    @property
    def decorator(self) -> str:
        return f'@on_dynamodb_stream{"" if self.each_record else "_batch"}("{self.stream}")'

    def subscription(self, subscriber: str) -> StreamSubscription:
        return StreamSubscription(
            service=self.service,
            name=self.stream,
            subscriber=subscriber,
            mapping=self.settings,
            view_type=StreamViewType(self.view_type),
        )

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        return self.is_called(DYNAMODB.origin(event), bound_to)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        yield from check.matches("table", self.stream, _TABLE_NAME, "3 to 255 letters, digits, - _ and .")
        yield from check.one_of("view_type", self.view_type, list(StreamViewType))
        yield from batch_problems(check, self.settings.batch, DYNAMODB.filter_rules, maximum_size=10_000)
        yield from stream_problems(check, self.settings, positions=["TRIM_HORIZON", "LATEST"])


def on_dynamodb_stream(
    table: str,
    *,
    starting_position: TablePositionName = "TRIM_HORIZON",
    view_type: ViewTypeName = "NEW_AND_OLD_IMAGES",
    **options: Unpack[StreamOptions],
) -> Callable[[F], F]:
    """Call the handler once per change of ``table``, in order per item.

    The handler may take the new image (for a removal the old image) as a pydantic model or any type pydantic
    validates; or :class:`~eventflow.events.DynamoDBRecord`; or nothing annotated, for the raw record.
    Options: see :func:`~eventflow.on_kinesis_batch`; there is no ``AT_TIMESTAMP``.
    """
    mapping = stream_mapping(options, starting_position=starting_position, report_batch_item_failures=True)
    trigger = DynamoDBTrigger(stream=table, settings=mapping, each_record=True, view_type=view_type)
    return mark_with_trigger(trigger)


def on_dynamodb_stream_batch(
    table: str,
    *,
    starting_position: TablePositionName = "TRIM_HORIZON",
    view_type: ViewTypeName = "NEW_AND_OLD_IMAGES",
    **options: Unpack[BatchStreamOptions],
) -> Callable[[F], F]:
    """Call the handler with batches of changes of ``table``, under Lambda's own contract.

    ``view_type`` says what a record holds. Options: see :func:`~eventflow.on_kinesis_batch`; there is no
    ``AT_TIMESTAMP``, and filters look at ``dynamodb``.
    """
    mapping = stream_mapping(
        options,
        starting_position=starting_position,
        report_batch_item_failures=options.get("report_batch_item_failures", False),
        tumbling_window_seconds=options.get("tumbling_window_seconds", 0),
    )
    trigger = DynamoDBTrigger(stream=table, settings=mapping, each_record=False, view_type=view_type)
    return mark_with_trigger(trigger)
