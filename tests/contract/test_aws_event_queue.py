"""Event queues of the AWS adapter on SQS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import pytest

from eventflow.testing.event_queue_cases import EVENT_QUEUE_CASES, EventQueueCase
from eventflow.testing.harness import (
    Capability,
    Case,
    EventQueueHarness,
    QueueRequest,
    case_name,
    is_returning,
    skip_reason,
)
from tests.contract.aws_queues import SERVERS, Opened, opened
from tests.contract.embedded import WallClock
from tests.contract.together import Together, running

FAULTS: Final[Mapping[tuple[str, str], str]] = {
    ("moto", "two_receivers_never_claim_one_event"): "two receives at the same time may return one message",
}
"""Cases that a server cannot express: ``{(server, case): its fault}``."""


@pytest.fixture(scope="module", params=SERVERS)
def together(request: pytest.FixtureRequest) -> Iterator[Together[Opened]]:
    server = request.getfixturevalue(f"{request.param}_server")
    with running(request, run, partial(opened, server)) as cases:
        yield cases


async def run(case: Case, env: Opened) -> None:
    if fault := FAULTS.get((env.server, case.__name__)):
        pytest.skip(f"{env.server}: {fault}")
    queue = await env.create_queue(QueueRequest(returning=is_returning(case)))
    harness = EventQueueHarness(
        adapter=env.adapter,
        other_adapter=env.other_adapter,
        clock=WallClock(),
        capabilities=frozenset({Capability.LEASES}),
        patience_seconds=60,
        grace_seconds=1,
        name=queue.name,
    )
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


@pytest.mark.parametrize("case", EVENT_QUEUE_CASES, ids=case_name)
def test_event_queues(case: EventQueueCase, together: Together[Opened]) -> None:
    together.check(case)
