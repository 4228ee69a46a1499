"""What aiormq logs by itself: every lost connection several times, with tracebacks. The adapter raises it once."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGERS: Final = ("aiormq.connection", "aiormq.channel")


def _is_wanted(record: logging.LogRecord) -> bool:
    """Whoever looks for bugs wants to see all of it."""
    return record.levelno >= logging.CRITICAL or logging.getLogger("eventflow_rabbitmq").isEnabledFor(logging.DEBUG)


@contextmanager
def quiet() -> Iterator[None]:
    """Filter aiormq's loggers inside the block."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_is_wanted)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(_is_wanted)
