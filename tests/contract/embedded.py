"""The embedded environment as contract tests open it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eventflow.ports import AdapterSettings, Clock
from eventflow.testing.harness import Case, HasCapabilities, skip_reason
from eventflow.testing.virtual_time import VirtualClock, VirtualTimeLoop
from eventflow_local import LocalAdapter


class WallClock:
    def time(self) -> float:
        return time.time()


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Two adapters over the same data. In memory there is one process, so they are the same."""

    adapter: LocalAdapter
    other_adapter: LocalAdapter
    clock: Clock


@dataclass(frozen=True, slots=True)
class Embedded:
    """An embedded environment that keeps its data in ``directory``, or in memory."""

    directory: Path | None

    @asynccontextmanager
    async def processes(self, **options: Any) -> AsyncIterator[Processes]:
        """Open it from two processes, with the options of its table. Its clock goes with the test's loop."""
        virtual = isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
        clock: Clock = VirtualClock() if virtual else WallClock()
        settings = AdapterSettings(
            environment="local",
            options={"data": str(self.directory or "memory"), **options},
            resources={},
            clock=clock,
        )
        async with LocalAdapter(settings) as adapter:
            if self.directory is None:
                yield Processes(adapter=adapter, other_adapter=adapter, clock=clock)
                return
            async with LocalAdapter(settings) as other_adapter:
                yield Processes(adapter=adapter, other_adapter=other_adapter, clock=clock)


def skip_if_unable(case: Case, harness: HasCapabilities) -> None:
    """Skip the test if its case needs what the embedded adapter does not have."""
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
