"""Watching the directory of a bucket."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from watchfiles import awatch

from eventflow.errors import UnavailableError
from eventflow_local.alongside import alongside

if TYPE_CHECKING:
    from pathlib import Path

    from eventflow_local.bucket_sync import DirectorySync

RESCAN_MILLISECONDS: Final = 60_000
"""How long the operating system may be silent before we look ourselves: its queue of changes can overflow."""
DEBOUNCE_MILLISECONDS: Final = 400


async def watch(resource: str, sync: DirectorySync) -> None:
    """Keep a bucket in step with ``sync.directory`` until cancelled, and make up for the time before.

    Raises UnavailableError if the directory cannot be watched or read.
    """
    stop = anyio.Event()
    try:
        async with alongside(partial(_touch_what_changes, sync, stop)):
            try:
                await sync.run()
            finally:
                stop.set()  # the thread that watches hears of nothing else
    except OSError as error:
        raise UnavailableError(resource, f"{sync.directory} cannot be watched: {error}") from error


async def _touch_what_changes(sync: DirectorySync, stop: anyio.Event) -> None:
    while not stop.is_set():
        watched = _made(sync.directory)
        changes = awatch(
            sync.directory,
            watch_filter=None,
            debounce=DEBOUNCE_MILLISECONDS,
            stop_event=stop,
            rust_timeout=RESCAN_MILLISECONDS,
            yield_on_timeout=True,
        )
        # Looked at when the first step has begun to watch, so that nothing falls between the two.
        first_look = asyncio.get_running_loop().call_soon(sync.touch, [sync.directory])
        try:
            async for changed in changes:
                sync.touch({path for _, path in changed} or [sync.directory])
                if _inode(sync.directory) != watched:  # removed or replaced: watch the new one
                    break
        finally:
            first_look.cancel()
            await changes.aclose()


def _made(directory: Path) -> int | None:
    """Make the directory if need be; returns which one it is."""
    directory.mkdir(parents=True, exist_ok=True)
    return _inode(directory)


def _inode(directory: Path) -> int | None:
    try:
        return directory.stat().st_ino
    except FileNotFoundError:
        return None
