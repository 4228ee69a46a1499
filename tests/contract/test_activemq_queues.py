"""Queues of the ActiveMQ adapter, on ActiveMQ Classic, in real time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from eventflow.testing.harness import Case, case_name, skip_reason
from eventflow.testing.queue_cases import QUEUE_CASES, QueueCase
from tests.contract.activemq import Opened, opened, queue_harness
from tests.contract.together import Together, running
from tests.servers.server import Server


@pytest.fixture(scope="module", params=["activemq"])
def together(request: pytest.FixtureRequest, activemq_server: Server) -> Iterator[Together[Opened]]:
    with running(request, run, partial(opened, activemq_server)) as cases:
        yield cases


async def run(case: Case, both: Opened) -> None:
    harness = queue_harness(both)
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


@pytest.mark.parametrize("case", QUEUE_CASES, ids=case_name)
def test_queues(case: QueueCase, together: Together[Opened]) -> None:
    together.check(case)
