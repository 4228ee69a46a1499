"""Handlers that run in worker processes, which import them from here."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from eventflow.model.context import Context

_log = logging.getLogger(__name__)

if "pytest" not in sys.modules:  # only workers take so long
    time.sleep(float(os.environ.get("ISOLATED_IMPORT_SECONDS", "0")))


def process_id(event: Any) -> int:
    return os.getpid()


def pause(event: float) -> int:
    time.sleep(event)
    return os.getpid()


def spin(event: str) -> None:
    print("spinning")  # noqa: T201 (as handlers do)
    Path(event).touch()
    while True:
        pass


def leave(event: int) -> None:
    os._exit(event)


def close_everything(event: Any) -> None:
    os.closerange(3, 256)
    time.sleep(60)


def be_told_to_stop(event: Any) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    return "stayed"


def write_log(event: Any) -> None:
    _log.info("%s %d", "order", 7, extra={"order_id": "7"})
    _log.debug("too quiet")
    try:
        raise ValueError("no stock")
    except ValueError:
        _log.exception("it failed")


def told(event: Any, context: Context) -> Any:
    client_context = context.client_context
    assert client_context is not None
    assert client_context.client is not None
    return [
        context.aws_request_id,
        context.invoked_function_arn,
        context.tenant_id,
        client_context.custom,
        client_context.client.app_title,
    ]


class Unwritable(dict[str, int]):
    def values(self) -> Any:
        raise LookupError("while it was written")


def unwritable(event: Any) -> Any:
    return Unwritable(a=1)
