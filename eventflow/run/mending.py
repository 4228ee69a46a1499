"""What would mend an error, where the error does not say so itself."""

from __future__ import annotations

from typing import Final

from eventflow.errors import (
    AdapterError,
    DataDirectoryError,
    EventflowError,
    PortInUseError,
    ResourceNotFoundError,
    UnavailableError,
)

_MENDS: Final[tuple[tuple[type[EventflowError], str], ...]] = (
    (PortInUseError, "--port 0 takes a free one"),
    (ResourceNotFoundError, "create it, or bind its name to an existing one under [environments.<name>.resources]"),
    (UnavailableError, "is the service running, and does the environment name the right address and credentials?"),
    (DataDirectoryError, "or name another directory with `data` in the environment, or with EVENTFLOW_DATA"),
)


def mend_of(error: EventflowError) -> str | None:
    """What the error says, else what helps with its kind."""
    own = error.mend if isinstance(error, AdapterError) else None
    return own or next((text for kind, text in _MENDS if isinstance(error, kind)), None)
