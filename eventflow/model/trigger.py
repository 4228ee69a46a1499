"""What a decorator builds: the declaration of one source of events for one function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from eventflow.model import limits
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.errors import Problem
    from eventflow.model.destinations import Destination
    from eventflow.model.http import HttpSource
    from eventflow.model.mapping import QueueMapping, StreamMapping
    from eventflow.model.subscriptions import Subscription


class InvocationModel(StrEnum):
    """Lambda's three ways of calling a function."""

    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"
    POLLING = "polling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(ABC):
    """Base of every trigger: a frozen value that validates itself and opens nothing.

    Subclasses name the decorator that builds them, the service their events come from, and the invocation
    model; a new source is a new subclass in a file of its own.
    """

    service: ClassVar[Service]
    invocation_model: ClassVar[InvocationModel]
    maximum_timeout_seconds: ClassVar[float] = limits.MAXIMUM_TIMEOUT_SECONDS
    """How long a function may take that this source calls."""
    failure_services: ClassVar[tuple[Service, ...]] = (Service.SQS, Service.SNS, Service.S3)
    """Where ``destinations`` may lie."""
    partial_responses: ClassVar[bool] = True
    """Whether a polled source takes a response that names the records which failed."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The resource's logical name: queue, topic, bucket, stream ..., or the route key."""

    @property
    @abstractmethod
    def decorator(self) -> str:
        """The decorator as the user wrote it, for messages: ``@on_sqs_batch("orders")``."""

    @property
    def per_record(self) -> bool:
        """Whether the handler is called once per record instead of once per event."""
        return False

    @property
    def resource(self) -> str:
        """The name under which an environment binds it: ``sqs:orders``."""
        return f"{self.service}:{self.name}"

    def subscription(self, subscriber: str) -> Subscription | None:
        """What an adapter opens for this trigger; ``None`` if events come to us (HTTP)."""
        return None

    @property
    def mapping(self) -> QueueMapping | StreamMapping | None:
        """The settings of the event source mapping; ``None`` unless the source is polled."""
        return None

    @property
    def http(self) -> HttpSource | None:
        """Which requests are meant; ``None`` unless events are HTTP requests."""
        return None

    @property
    def streams(self) -> bool:
        """Whether the handler may be a generator, whose response goes out piece by piece."""
        return False

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Destinations that this trigger itself sends to (a mapping's on-failure destination)."""
        return ()

    @abstractmethod
    def problems(self, where: str) -> Iterator[Problem]:
        """Every mistake in this declaration. ``where`` names the function and decorator."""
