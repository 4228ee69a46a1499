"""What the command line knows of the embedded environment: its name, and where it keeps its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from eventflow.plan.environment import Environment

ADAPTER: Final = "local"
"""The adapter without a service behind it."""
MEMORY: Final = "memory"
_DEFAULT_DATA: Final = ".eventflow"


def data_of(environment: Environment) -> str | None:
    """The directory of an environment's state, or MEMORY; ``None`` where a service keeps it."""
    default = _DEFAULT_DATA if environment.adapter == ADAPTER else None
    data: str | None = environment.options.get("data", default)
    return data
