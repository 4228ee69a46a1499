"""What a decorator builds: the declaration of one source of events for one function."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from eventflow.model import limits
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.errors import Problem
    from eventflow.model.destinations import Destination
    from eventflow.model.http import HttpSource
    from eventflow.model.json import JsonObject, JsonValue
    from eventflow.model.mapping import QueueMapping, StreamMapping
    from eventflow.model.subscriptions import Subscription
    from eventflow.model.websocket import WebSocketRoute


class InvocationModel(StrEnum):
    """Lambda's three ways of calling a function."""

    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"
    POLLING = "polling"


class Invoker(NamedTuple):
    """The service that calls a function in Lambda, and the resource on whose behalf it does.

    ``service`` and ``resource`` are parts of that resource's ARN, or ``resource`` is the whole of it. A bucket's ARN
    has neither Region nor account (``regional=False``). Some services say the account besides (``says_account``).
    Alexa has no resource, but a token. Source: Lambda guide: the permissions of each service.
    """

    principal: str
    service: str | None = None
    resource: str = ""
    regional: bool = True
    says_account: bool = False
    event_source_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(ABC):
    """Base of every trigger: a frozen value that validates itself and opens nothing.

    Subclasses name the decorator that builds them, the service their events come from, and the invocation
    model; a new source is a new subclass in a file of its own.
    """

    service: ClassVar[Service]
    invocation_model: ClassVar[InvocationModel]
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
    def maximum_timeout_seconds(self) -> float:
        """How long a function may take that this source calls."""
        return limits.MAXIMUM_TIMEOUT_SECONDS

    @property
    def caller_seconds(self) -> float | None:
        """How long the caller waits for an answer, if it gives up before the function has to."""
        return None if self.http is None else self.http.waits_seconds

    @property
    def exclusive(self) -> tuple[str, ...]:
        """What no other function of the app may have as well, since its caller knows one function only."""
        return ()

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        """How well this trigger fits an event of its service: 0 not at all; of several, the best one has it.

        Nothing else tells apart functions that a service calls directly and, inside Lambda, those of any source: what
        the event says of its queue, prefix or intent. What it does not say fits. ``bound_to`` is what the environment
        calls the resource, if it says so.
        """
        return 1

    @property
    def per_record(self) -> bool:
        """Whether the handler is called once per record instead of once per event."""
        return False

    @property
    def resource(self) -> str:
        """The name under which an environment binds it: ``sqs:orders``."""
        return f"{self.service}:{self.name}"

    @property
    def resources(self) -> tuple[str, ...]:
        """Every resource it reads: more than one if it names several topics."""
        return (self.resource,)

    def subscription(self, subscriber: str) -> Subscription | None:
        """What an adapter opens for this trigger; ``None`` if events come to us (HTTP)."""
        return None

    @property
    def opened_by(self) -> Service | None:
        """The service whose adapter opens the subscription; ``None`` without one."""
        return self.service if self.subscription("") is not None else None

    @property
    def mapping(self) -> QueueMapping | StreamMapping | None:
        """The settings of the event source mapping; ``None`` unless the source is polled."""
        return None

    @property
    def http(self) -> HttpSource | None:
        """Which requests are meant; ``None`` unless events are HTTP requests."""
        return None

    @property
    def websocket(self) -> WebSocketRoute | None:
        """Which events of connections are meant; ``None`` unless events are those of a WebSocket API."""
        return None

    @property
    def streams(self) -> bool:
        """Whether the handler may be a generator, whose response goes out piece by piece."""
        return False

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Destinations that this trigger itself sends to (a mapping's on-failure destination)."""
        return ()

    def invoker(self, resource: str) -> Invoker | None:
        """Who calls the function in Lambda for this trigger. ``resource`` is :attr:`name`, or what an environment binds
        it to; ``None`` if no resource policy has to let anybody in, as with what is polled."""
        return None

    def is_input(self, wire: JsonValue) -> bool:
        """Whether the trigger sends just this in place of an event of its service: a schedule's input."""
        return False

    def is_called(self, physical: object, bound_to: str | None) -> bool:
        """Whether a resource is this trigger's: by the name in the code, or the last part of what that is bound to."""
        return physical == self.name or (bound_to is not None and physical == re.split("[:/]", bound_to)[-1])

    def may_be_called(self, physical: object, bound_to: str | None) -> bool:
        """The same for a resource whose name AWS makes up: until it is bound, it may be any."""
        return bound_to is None or physical is None or self.is_called(physical, bound_to)

    @abstractmethod
    def problems(self, where: str) -> Iterator[Problem]:
        """Every mistake in this declaration. ``where`` names the function and decorator."""
