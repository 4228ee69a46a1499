"""The ids of what ``eventflow check`` may find at AWS."""

from __future__ import annotations

from typing import Final

UNREACHABLE: Final = "unreachable"
MISSING: Final = "missing"
DENIED: Final = "access-denied"
UNUSABLE: Final = "unusable"
NOT_CONNECTED: Final = "not-connected"
VISIBILITY: Final = "visibility-timeout"
NO_REDRIVE: Final = "redrive-missing"
EARLY_REDRIVE: Final = "redrive-receive-count"
EVENT_QUEUE_REDRIVE: Final = "event-queue-redrive"
PERMISSION: Final = "permission-missing"

RULES: Final = (
    UNREACHABLE,
    MISSING,
    DENIED,
    UNUSABLE,
    NOT_CONNECTED,
    VISIBILITY,
    NO_REDRIVE,
    EARLY_REDRIVE,
    EVENT_QUEUE_REDRIVE,
    PERMISSION,
)
