"""Which message broker a decorator or destination means."""

from __future__ import annotations

from typing import Literal, TypeAlias

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.message_queues import MqEngine

MqEngineName: TypeAlias = Literal["rabbitmq", "activemq"]


def engine_of(name: str, *, where: str) -> MqEngine:
    """The engine called ``name``. Raises ConfigurationError without waiting for others: events, options and adapter
    all depend on it."""
    try:
        return MqEngine(name)
    except ValueError:
        hint = "one of " + ", ".join(MqEngine)
        problem = Problem(where=where, field="engine", message=f"{name!r} is not allowed", hint=hint)
        raise ConfigurationError([problem]) from None
