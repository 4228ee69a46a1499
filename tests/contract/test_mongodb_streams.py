"""Change streams of a server that speaks MongoDB's protocol, in real time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from eventflow.testing.harness import Case, case_name, skip_reason
from eventflow.testing.progress_cases import latest_starts_with_what_comes_after_the_subscription
from eventflow.testing.stream_cases import STREAM_CASES, StreamCase
from tests.contract.mongodb_collections import Processes, processes, stream_harness
from tests.contract.together import Together, running
from tests.servers.server import Server

pytestmark = pytest.mark.forgotten_sockets


@pytest.fixture(scope="module", params=["mongodb"])
def together(request: pytest.FixtureRequest, mongodb_server: Server) -> Iterator[Together[Processes]]:
    with running(request, run, partial(processes, mongodb_server)) as cases:
        yield cases


async def run(case: Case, opened: Processes) -> None:
    harness = stream_harness(opened, settles=case is latest_starts_with_what_comes_after_the_subscription)
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


@pytest.mark.parametrize("case", STREAM_CASES, ids=case_name)
def test_streams(case: StreamCase, together: Together[Processes]) -> None:
    together.check(case)
