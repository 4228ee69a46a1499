"""What adapters of one service have in common: what else is asked of them, they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

from eventflow.errors import AdapterError, ResourceNotFoundError

if TYPE_CHECKING:
    from eventflow.model.destinations import Destination, Service
    from eventflow.model.subscriptions import NotificationSubscription, QueueSubscription, StreamSubscription
    from eventflow.ports.adapter import AdapterSettings

    T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OneService:
    """The one that an adapter serves. ``only`` is what it says to others: ``the kafka adapter serves topics only``."""

    service: Service
    only: str

    def check(self, asked: QueueSubscription | StreamSubscription | Destination) -> None:
        """Raises ResourceNotFoundError if another service is asked for."""
        if asked.service is not self.service:
            self.refuse(asked)

    def refuse(self, asked: QueueSubscription | StreamSubscription | Destination) -> NoReturn:
        """Raises ResourceNotFoundError."""
        self._refuse(f"{asked.service}:{asked.name}")

    def refuse_notifications(self, asked: NotificationSubscription) -> NoReturn:
        """Raises ResourceNotFoundError."""
        self._refuse(f"{type(asked).__name__}:{asked.name}")

    def refuse_events(self, name: str) -> NoReturn:
        """Raises ResourceNotFoundError: asynchronous events cannot wait here."""
        mend = 'name a store that keeps events, e.g. event_queue = "sqs:shop-events"'
        raise ResourceNotFoundError(f"event queue {name}", self.only, mend=mend)

    def _refuse(self, resource: str) -> NoReturn:
        mend = "give it an adapter of its own: [environments.<name>.sources.<service>]"
        raise ResourceNotFoundError(resource, self.only, mend=mend)


def opened(environment: T | None, settings: AdapterSettings) -> T:
    """What an adapter made when it was entered. Raises AdapterError if it was not."""
    if environment is None:
        raise AdapterError(settings.environment, "the environment is not open; use `async with` first")
    return environment
