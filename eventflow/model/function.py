"""A function and the settings that govern how it is invoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from eventflow.model import limits

if TYPE_CHECKING:
    from eventflow.model.destinations import Destination
    from eventflow.model.documentation import Documentation
    from eventflow.model.handler import Handler
    from eventflow.model.trigger import Trigger

Isolation: TypeAlias = Literal["none", "process"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """The function's own settings, named as Lambda names them. Source: Lambda API: CreateFunction,
    PutFunctionConcurrency, PutFunctionEventInvokeConfig.

    ``isolation="process"`` runs the handler in worker processes that are killed at the timeout.
    """

    name: str | None = None
    timeout_seconds: float = limits.DEFAULT_TIMEOUT_SECONDS
    memory_limit_mb: int = limits.DEFAULT_MEMORY_MB
    reserved_concurrency: int | None = None
    maximum_retry_attempts: int = limits.DEFAULT_RETRY_ATTEMPTS
    maximum_event_age_seconds: float = limits.DEFAULT_EVENT_AGE_SECONDS
    on_success: Destination | None = None
    on_failure: Destination | None = None
    dead_letter_queue: Destination | None = None
    isolation: Isolation = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDefinition:
    """One function of an app: its name, the user's handler, its settings and its triggers in the order
    they are read in the source, top to bottom."""

    name: str
    handler: Handler
    settings: FunctionSettings
    triggers: tuple[Trigger, ...] = ()
    documentation: Documentation | None = None

    @property
    def where(self) -> str:
        """How error messages name it: ``shop.fulfil``."""
        return f"{self.handler.__module__}.{self.handler.__qualname__}"
