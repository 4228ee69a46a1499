"""``@on_sqs`` and ``@on_sqs_batch``. Source: Lambda guide: with-sqs; Lambda API: CreateEventSourceMapping."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from eventflow.events.sqs import SQS
from eventflow.model.destinations import Service
from eventflow.model.mapping import BatchSettings, QueueMapping
from eventflow.model.subscriptions import QueueSubscription
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.triggers._checks import Checker, as_filters, batch_problems
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsTrigger(Trigger):
    """One queue, polled for one function."""

    service: ClassVar[Service] = Service.SQS
    invocation_model: ClassVar[InvocationModel] = InvocationModel.POLLING

    queue: str
    settings: QueueMapping
    each_record: bool

    @property
    def name(self) -> str:
        return self.queue

    @property
    def decorator(self) -> str:
        return f'@on_sqs{"" if self.each_record else "_batch"}("{self.queue}")'

    @property
    def per_record(self) -> bool:
        return self.each_record

    @property
    def mapping(self) -> QueueMapping:
        return self.settings

    def subscription(self, subscriber: str) -> QueueSubscription:
        return QueueSubscription(service=self.service, name=self.queue, subscriber=subscriber)

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        return self.is_called(SQS.origin(event), bound_to)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        hint = "1 to 80 letters, digits, - and _; a FIFO queue's name ends in .fifo"
        yield from check.matches("queue", self.queue, _QUEUE_NAME, hint)
        fifo = str(self.queue).endswith(".fifo")
        batch = self.settings.batch
        maximum = 10 if fifo else 10_000
        yield from batch_problems(check, batch, SQS.filter_rules, maximum_size=maximum, window_allowed=not fifo)
        large = isinstance(batch.batch_size, int) and batch.batch_size > 10
        if large and not fifo and batch.maximum_batching_window_seconds < 1:
            hint = "batch_size above 10 needs a window of at least 1 second"
            value = batch.maximum_batching_window_seconds
            yield check.problem("maximum_batching_window_seconds", f"{value!r} is too short", hint)
        if self.settings.maximum_concurrency is not None:
            yield from check.number("maximum_concurrency", self.settings.maximum_concurrency, 2, 1_000)


def on_sqs(
    queue: str,
    *,
    batch_size: int = 10,
    maximum_batching_window_seconds: float = 0,
    filters: Sequence[Mapping[str, Any] | str] = (),
    maximum_concurrency: int | None = None,
) -> Callable[[F], F]:
    """Call the handler once per message of ``queue``.

    The handler may take the message's body as ``str``, ``bytes``, a pydantic model or any type pydantic
    validates; or :class:`~eventflow.events.SqsRecord`; or nothing annotated, for the raw record. A handler
    that raises, or a body that does not validate, fails its own message only. Messages of one FIFO group are
    handled in order, and the first failure leaves the rest of its group in the queue.
    ``batch_size`` messages are received at once; the other options are those of :func:`on_sqs_batch`.
    """
    batch = BatchSettings(
        batch_size=batch_size,
        maximum_batching_window_seconds=maximum_batching_window_seconds,
        filters=as_filters(filters),
        report_batch_item_failures=True,
    )
    mapping = QueueMapping(batch=batch, maximum_concurrency=maximum_concurrency)
    return mark_with_trigger(SqsTrigger(queue=queue, settings=mapping, each_record=True))


def on_sqs_batch(
    queue: str,
    *,
    batch_size: int = 10,
    maximum_batching_window_seconds: float = 0,
    filters: Sequence[Mapping[str, Any] | str] = (),
    report_batch_item_failures: bool = False,
    maximum_concurrency: int | None = None,
) -> Callable[[F], F]:
    """Call the handler with batches of ``queue``, under Lambda's own contract.

    ``batch_size`` 1 to 10,000 (FIFO: 10); above 10 it needs a window of at least 1 second.
    ``maximum_batching_window_seconds`` 0 to 300, not for FIFO. ``filters``: event patterns on ``body``;
    messages that match none are deleted. ``report_batch_item_failures``: the handler returns
    ``{"batchItemFailures": [{"itemIdentifier": messageId}]}``; without it any error returns the whole batch.
    ``maximum_concurrency`` 2 to 1,000 concurrent invocations of this mapping.
    """
    batch = BatchSettings(
        batch_size=batch_size,
        maximum_batching_window_seconds=maximum_batching_window_seconds,
        filters=as_filters(filters),
        report_batch_item_failures=report_batch_item_failures,
    )
    mapping = QueueMapping(batch=batch, maximum_concurrency=maximum_concurrency)
    return mark_with_trigger(SqsTrigger(queue=queue, settings=mapping, each_record=False))
