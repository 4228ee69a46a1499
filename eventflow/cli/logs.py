"""Log records as JSON lines for machines and as text for people, and the set-up of logging.

The JSON keys are those of Lambda's and Powertools' logs, so that queries written for them keep working.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, TypeAlias

import click

from eventflow.model.invocation import iso_milliseconds
from eventflow.runtime.invoker import current_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

LogFormat: TypeAlias = Literal["auto", "json", "text"]

_STANDARD: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"})
"""What every record has; anything else came as ``extra=`` (uvicorn's ``color_message`` is its own affair)."""

_COLOURS: Final[Mapping[int, str]] = {
    logging.DEBUG: "blue",
    logging.INFO: "green",
    logging.WARNING: "yellow",
    logging.ERROR: "red",
    logging.CRITICAL: "magenta",
}
_CONTROL_CHARACTERS: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}
"""Terminals obey these, and messages quote events that anybody may have sent."""


def configure_logging(*, level: str, log_format: LogFormat, stream: TextIO, access_log: bool = True) -> None:
    """Send every record of ``level`` and above to ``stream``, the web server's included."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(log_format, stream))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The server's messages on starting and stopping say what ours say; the watcher's say that files changed, and
    # those of AWS's clients where each found its settings.
    for name in ("uvicorn.error", "watchfiles.main", "botocore", "aiobotocore"):
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)
    logging.getLogger("uvicorn.access").propagate = access_log


def is_text(log_format: LogFormat, stream: TextIO) -> bool:
    """Whether ``stream`` gets text rather than JSON."""
    return stream.isatty() if log_format == "auto" else log_format == "text"


def _formatter(log_format: LogFormat, stream: TextIO) -> logging.Formatter:
    if not is_text(log_format, stream):
        return JsonFormatter()
    return TextFormatter(colours=stream.isatty() and not os.environ.get("NO_COLOR"))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says beside its message: the invocation it belongs to, and what was passed as ``extra=``."""
    fields: dict[str, Any] = {}
    context = current_context.get()
    if context is not None:
        fields["function_name"] = context.function_name
        fields["function_request_id"] = context.aws_request_id
        fields["function_arn"] = context.invoked_function_arn
    fields.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
    return fields


class JsonFormatter(logging.Formatter):
    """One JSON object per record, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "timestamp": iso_milliseconds(record.created),
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "logger": record.name,
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            exc = record.exc_info[1]
            document["exception_name"] = type(exc).__name__
            document["exception"] = "".join(traceback.format_exception(exc))
            document["stack_trace"] = _frames(exc.__traceback__)
        elif record.exc_text:  # of a worker process
            document["exception"] = record.exc_text
        return json.dumps(document, default=str)


def _frames(trace: TracebackType | None) -> list[dict[str, Any]]:
    return [
        {"file": frame.filename, "line": frame.lineno, "function": frame.name, "statement": frame.line}
        for frame in traceback.extract_tb(trace)
    ]


class TextFormatter(logging.Formatter):
    """One line per record for people: local time, level, function, message, and the rest as ``key=value``."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        fields.pop("function_arn", None)
        message = _printable(record.getMessage())
        function_name = str(fields.pop("function_name", ""))
        if message.startswith(function_name):  # it says itself whom it is about
            function_name = ""
        moment = datetime.fromtimestamp(record.created).astimezone()
        parts = [
            self._styled(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}", dim=True),
            self._styled(f"{record.levelname:8}", fg=_COLOURS.get(record.levelno)),
            self._styled(function_name, bold=True),
            message,
            self._styled(_printable(" ".join(f"{key}={value}" for key, value in fields.items())), dim=True),
        ]
        lines = [" ".join(part for part in parts if part)]
        if record.exc_info and record.exc_info[1] is not None:
            lines.append(_printable("".join(traceback.format_exception(record.exc_info[1])).rstrip()))
        elif record.exc_text:
            lines.append(_printable(record.exc_text.rstrip()))
        return "\n".join(lines)

    def _styled(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._colours and text else text


def _printable(text: str) -> str:
    return text.translate(_CONTROL_CHARACTERS)
