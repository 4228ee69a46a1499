"""Cases that mostly wait, run side by side in a thread of their own; each is still a test of its own.

Real services make tests wait in real time. One after the other, the cases of a queue take minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Generic, TypeVar, cast

import anyio
import pytest

from eventflow.testing.harness import Case

OpenT = TypeVar("OpenT")

AT_ONCE = 8
"""Few enough for a case to be served in time by a small machine and a slow server."""


class Together(Generic[OpenT]):
    """The cases of one module on one server. ``run`` runs one of them on what ``opening`` opens."""

    def __init__(
        self,
        cases: Sequence[Case],
        run: Callable[[Case, OpenT], Awaitable[None]],
        opening: Callable[[], AbstractAsyncContextManager[OpenT]],
    ) -> None:
        self._cases = cases
        self._run_one = run
        self._opening = opening
        self._outcomes: dict[str, Future[None]] = {case.__name__: Future() for case in cases}

    def check(self, case: Case) -> None:
        """Return when the case is over. Raises what it raised, be it that it is skipped."""
        self._outcomes[case.__name__].result()

    async def run(self) -> None:
        """Run them all."""
        places = asyncio.Semaphore(AT_ONCE)
        try:
            async with self._opening() as opened, anyio.create_task_group() as tasks:
                for case in self._cases:
                    tasks.start_soon(self._run_in, places, case, opened)
        except Exception as error:
            for outcome in self._outcomes.values():
                if not outcome.done():
                    outcome.set_exception(error)
            raise

    async def _run_in(self, places: asyncio.Semaphore, case: Case, opened: OpenT) -> None:
        outcome = self._outcomes[case.__name__]
        async with places:
            try:
                await self._run_one(case, opened)
            except (Exception, pytest.skip.Exception) as error:  # noqa: BLE001 - its test raises it
                outcome.set_exception(error)
            else:
                outcome.set_result(None)


@contextmanager
def running(
    request: pytest.FixtureRequest,
    run: Callable[[Case, OpenT], Awaitable[None]],
    opening: Callable[[], AbstractAsyncContextManager[OpenT]],
) -> Iterator[Together[OpenT]]:
    """For a fixture: the cases that this run of pytest has for its parameter, running."""
    together = Together(_selected(request), run, opening)
    with ThreadPoolExecutor(max_workers=1) as thread:
        over = thread.submit(asyncio.run, together.run())
        yield together
        over.result()


def _selected(request: pytest.FixtureRequest) -> list[Case]:
    cases: list[Case] = []
    for item in request.session.items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.path == request.path and params.get(str(request.fixturename)) == request.param and "case" in params:
            cases.append(cast("Case", params["case"]))
    return cases
