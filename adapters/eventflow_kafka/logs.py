"""What aiokafka logs: every try while brokers are away, dozens of lines per second. The first one says it all."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

REPEAT_SECONDS: Final = 60.0
LOGGERS: Final = (
    "aiokafka",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
)


class Repeats(logging.Filter):
    """Lets a warning or an error through once in a while; what differs in its values is the same message."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        message = (record.name, str(record.msg))
        if record.created - self._shown.get(message, 0) < REPEAT_SECONDS:
            return False
        self._shown[message] = record.created
        return True


@contextmanager
def without_repeats() -> Iterator[None]:
    """Filter aiokafka's loggers inside the block."""
    repeats = Repeats()
    for name in LOGGERS:
        logging.getLogger(name).addFilter(repeats)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(repeats)
