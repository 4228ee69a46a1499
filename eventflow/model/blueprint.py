"""What an app asks of one adapter, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventflow.model.destinations import Destination
    from eventflow.model.subscriptions import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The sources and destinations of an app that one adapter serves. ``event_queue`` is its name if the adapter keeps
    that too. Destinations that are functions of the app itself are not among them."""

    app_name: str
    subscriptions: tuple[Subscription, ...] = ()
    destinations: tuple[Destination, ...] = ()
    event_queue: str | None = None
