"""The ids of what ``eventflow check`` may find at RabbitMQ."""

from __future__ import annotations

from typing import Final

UNREACHABLE: Final = "unreachable"
MISSING: Final = "missing"
DENIED: Final = "access-denied"
UNUSABLE: Final = "unusable"
NO_LIMIT: Final = "delivery-limit-missing"
NO_DEAD_LETTERS: Final = "dead-letter-missing"
EARLY_LIMIT: Final = "delivery-limit-early"
CLASSIC_RETRIES: Final = "classic-queue-retries"

RULES: Final = (
    UNREACHABLE,
    MISSING,
    DENIED,
    UNUSABLE,
    NO_LIMIT,
    NO_DEAD_LETTERS,
    EARLY_LIMIT,
    CLASSIC_RETRIES,
)
