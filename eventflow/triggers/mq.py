"""``@on_mq`` and ``@on_mq_batch``: queues of RabbitMQ and ActiveMQ. Source: Lambda guide: with-mq."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypedDict, Unpack

from eventflow.events.activemq import ACTIVEMQ
from eventflow.events.rabbitmq import RABBITMQ
from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.model.mapping import BatchSettings, QueueMapping
from eventflow.model.message_queues import DEFAULT_VIRTUAL_HOST, MqEngine, QueueAddress
from eventflow.model.subscriptions import QueueSubscription
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.triggers._checks import Checker, as_filters, batch_problems
from eventflow.triggers._engines import engine_of
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from eventflow.errors import Problem
    from eventflow.events.activemq import ActiveMQCodec
    from eventflow.events.rabbitmq import RabbitMQCodec
    from eventflow.model.destinations import Destination
    from eventflow.model.json import JsonObject
    from eventflow.triggers._engines import MqEngineName

_QUEUE_NAME = re.compile(r"(?!.*::)[^\x00-\x1f]{1,1000}")
_VIRTUAL_HOST = re.compile(r"(?!.*::)[^\x00-\x1f]{1,200}")
_DEFAULT_WINDOW_SECONDS = 0.5


class MqOptions(TypedDict, total=False):
    """The options of both decorators; see :func:`~eventflow.on_mq_batch`."""

    virtual_host: str
    batch_size: int
    maximum_batching_window_seconds: float
    filters: Sequence[Mapping[str, Any] | str]
    maximum_concurrency: int
    maximum_retry_attempts: int
    on_failure: Destination | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MqTrigger(Trigger):
    """Base of the triggers on a queue of a message broker. Each engine is a service of its own, because its events and
    the adapter that serves it are."""

    invocation_model: ClassVar[InvocationModel] = InvocationModel.POLLING
    failure_services: ClassVar[tuple[Service, ...]] = (
        Service.SQS,
        Service.SNS,
        Service.S3,
        Service.RABBITMQ,
        Service.ACTIVEMQ,
    )

    partial_responses: ClassVar[bool] = False
    codec: ClassVar[RabbitMQCodec | ActiveMQCodec]
    default_concurrency: ClassVar[int]
    """Lambda's own. Source: Lambda guide: with-mq."""

    queue: str
    virtual_host: str
    settings: QueueMapping
    each_record: bool

    @property
    def maximum_timeout_seconds(self) -> float:
        return limits.MAXIMUM_BROKER_TIMEOUT_SECONDS

    @property
    def name(self) -> str:
        return QueueAddress(self.queue, self.virtual_host).name

    @property
    def decorator(self) -> str:
        host = "" if self.virtual_host == DEFAULT_VIRTUAL_HOST else f', virtual_host="{self.virtual_host}"'
        return f'@on_mq{"" if self.each_record else "_batch"}("{self.queue}", engine="{self.service}"{host})'

    @property
    def per_record(self) -> bool:
        return self.each_record

    @property
    def mapping(self) -> QueueMapping:
        return self.settings

    @property
    def destinations(self) -> tuple[Destination, ...]:
        return (self.settings.on_failure,) if self.settings.on_failure else ()

    def subscription(self, subscriber: str) -> QueueSubscription:
        return QueueSubscription(
            service=self.service,
            name=self.name,
            subscriber=subscriber,
            maximum_retry_attempts=self.settings.maximum_retry_attempts,
        )

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        return self.is_called(self.codec.origin(event), bound_to)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        yield from check.matches("queue", self.queue, _QUEUE_NAME, "1 to 1,000 characters without ::")
        yield from check.matches("virtual_host", self.virtual_host, _VIRTUAL_HOST, "1 to 200 characters without ::")
        yield from batch_problems(check, self.settings.batch, self.codec.filter_rules, maximum_size=10_000)
        yield from check.number("maximum_concurrency", self.settings.maximum_concurrency, 1, 1_000)
        yield from check.number("maximum_retry_attempts", self.settings.maximum_retry_attempts, -1, 10_000)
        if self.settings.on_failure is not None and self.settings.maximum_retry_attempts == -1:
            yield check.problem("on_failure", "is set", "it goes with maximum_retry_attempts, or nothing is given up")


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMQTrigger(MqTrigger):
    """One queue of RabbitMQ, polled for one function."""

    service: ClassVar[Service] = Service.RABBITMQ
    codec: ClassVar[RabbitMQCodec | ActiveMQCodec] = RABBITMQ
    default_concurrency: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveMQTrigger(MqTrigger):
    """One queue of ActiveMQ, polled for one function."""

    service: ClassVar[Service] = Service.ACTIVEMQ
    codec: ClassVar[RabbitMQCodec | ActiveMQCodec] = ACTIVEMQ
    default_concurrency: ClassVar[int] = 5

    def problems(self, where: str) -> Iterator[Problem]:
        yield from MqTrigger.problems(self, where)
        if self.virtual_host != DEFAULT_VIRTUAL_HOST:
            message = f"{self.virtual_host!r} is not allowed"
            yield Checker(where).problem("virtual_host", message, "only RabbitMQ has virtual hosts")


_TRIGGERS: Final = {MqEngine.RABBITMQ: RabbitMQTrigger, MqEngine.ACTIVEMQ: ActiveMQTrigger}


def on_mq(queue: str, *, engine: MqEngineName, **options: Unpack[MqOptions]) -> Callable[[F], F]:
    """Call the handler once per message of ``queue``, and acknowledge each on its own.

    The handler may take the message's data as ``bytes``, ``str``, a pydantic model or any type pydantic validates;
    or :class:`~eventflow.events.RabbitMQMessage` or :class:`~eventflow.events.ActiveMQMessage`; or nothing annotated,
    for the raw message. A handler that raises, or data that does not validate, fails its own message only.
    Options: see :func:`on_mq_batch`.
    """
    return mark_with_trigger(_trigger(queue, engine, options, each_record=True))


def on_mq_batch(queue: str, *, engine: MqEngineName, **options: Unpack[MqOptions]) -> Callable[[F], F]:
    """Call the handler with batches of ``queue``, under Lambda's own contract: all of a batch is acknowledged once the
    handler returns, and all of it is delivered again if it raises.

    ``engine`` is ``"rabbitmq"`` or ``"activemq"``. ``virtual_host`` is RabbitMQ's, default ``"/"``. ``batch_size`` 1 to
    10,000, default 100; ``maximum_batching_window_seconds`` 0 to 300 from the first message on, default 0.5.
    ``filters``: event patterns on ``data``; messages that match none are acknowledged.

    What Lambda does not have: ``maximum_concurrency`` 1 to 1,000; Lambda's own number is the default, 1 for RabbitMQ,
    which keeps the order of the queue, and 5 for ActiveMQ. ``maximum_retry_attempts`` 0 to 10,000; -1, the default, for
    as many as the broker makes. What fails once more goes to ``on_failure``, each message with its data, and leaves
    the queue. A failed message is delivered again after 1 second, doubling to a minute.
    """
    return mark_with_trigger(_trigger(queue, engine, options, each_record=False))


def _trigger(queue: str, engine: str, options: MqOptions, *, each_record: bool) -> MqTrigger:
    kind = _TRIGGERS[engine_of(engine, where=f'@on_mq{"" if each_record else "_batch"}("{queue}")')]
    batch = BatchSettings(
        batch_size=options.get("batch_size", 100),
        maximum_batching_window_seconds=options.get("maximum_batching_window_seconds", _DEFAULT_WINDOW_SECONDS),
        filters=as_filters(options.get("filters", ())),
        window_opens_with_first_record=True,
    )
    mapping = QueueMapping(
        batch=batch,
        maximum_concurrency=options.get("maximum_concurrency", kind.default_concurrency),
        maximum_retry_attempts=options.get("maximum_retry_attempts", -1),
        on_failure=options.get("on_failure"),
    )
    return kind(
        queue=queue,
        virtual_host=options.get("virtual_host", DEFAULT_VIRTUAL_HOST),
        settings=mapping,
        each_record=each_record,
    )
