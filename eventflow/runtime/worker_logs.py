"""Log records of worker processes: they are written by the parent, in its format, as records of the invocation."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_REPLACED: Final = ("msg", "args", "exc_info", "exc_text", "stack_info")


class Forwarder(logging.Handler):
    """Hands every record to ``send`` as JSON text: the worker's only handler."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(_to_json(record))
        except Exception:  # noqa: BLE001 (as every handler of logging does)
            self.handleError(record)


def handle_forwarded(text: bytes) -> None:
    """Give a forwarded record to this process's own handlers. The worker has seen to its level."""
    logging.getLogger().handle(logging.makeLogRecord(json.loads(text)))


def _to_json(record: logging.LogRecord) -> bytes:
    fields: dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _REPLACED}
    fields["msg"] = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        fields["exc_text"] = "".join(traceback.format_exception(record.exc_info[1]))
        fields["exception_name"] = type(record.exc_info[1]).__name__
    return json.dumps(fields, default=str).encode()
