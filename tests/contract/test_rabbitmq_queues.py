"""The queue cases on RabbitMQ, on classic and on quorum queues, in real time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from eventflow.testing.harness import Case, case_name, skip_reason
from eventflow.testing.queue_cases import QUEUE_CASES, QueueCase
from eventflow_rabbitmq.options import SIGN_IN
from tests.contract.rabbitmq_queues import TYPES, Processes, processes, queue_harness
from tests.contract.together import Together, running
from tests.servers.rabbitmq import PASSWORD
from tests.servers.server import Server


@pytest.fixture(scope="module", params=TYPES)
def together(request: pytest.FixtureRequest, rabbitmq_server: Server) -> Iterator[Together[Processes]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SIGN_IN.password_variable, PASSWORD)
        with running(request, run, partial(processes, rabbitmq_server, request.param)) as cases:
            yield cases


async def run(case: Case, opened: Processes) -> None:
    harness = queue_harness(opened)
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


@pytest.mark.parametrize("case", QUEUE_CASES, ids=case_name)
def test_queues(case: QueueCase, together: Together[Processes]) -> None:
    together.check(case)
