"""Queues of SQS as destinations, read back through the adapter's own source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import pytest

from eventflow.model import limits
from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.subscriptions import QueueSubscription
from eventflow.testing.harness import Capability, Case, Inbox, SinkHarness, case_name, skip_reason
from eventflow.testing.inboxes import QueueInbox
from eventflow.testing.sink_cases import SINK_CASES, SinkCase
from tests.contract.aws_queues import SERVERS, Opened, opened
from tests.contract.embedded import WallClock
from tests.contract.together import Together, running

CAPABILITIES: Final = frozenset({Capability.MESSAGE_ATTRIBUTES, Capability.MISSING_RESOURCES, Capability.SIZE_LIMIT})
REFUSED: Final = {
    "an empty body": OutboundMessage(body=b""),
    "a character that XML does not have": OutboundMessage(body=b"a\x00b"),
    "a body that is not UTF-8": OutboundMessage(body=b"\xff\xfe"),
    "more than ten attributes": OutboundMessage(body=b"a", attributes={f"a{n}": "x" for n in range(11)}),
    "a delay of more than 15 minutes": OutboundMessage(body=b"a", delay_seconds=901),
    "a deduplication id": OutboundMessage(body=b"a", deduplication_id="d"),
}
FAULTS: Final[Mapping[tuple[str, str], str]] = {
    ("localstack", "invalid_messages_are_refused_for_good"): "it takes more than ten attributes",
    ("moto", "invalid_messages_are_refused_for_good"): "it takes characters that XML does not have",
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

    async def create() -> tuple[str, Inbox]:
        queue = await env.create_queue()
        subscription = QueueSubscription(service=Service.SQS, name=queue.name, subscriber="inbox")
        return queue.name, QueueInbox(harness, await env.adapter.queue_source(subscription))

    harness = SinkHarness(
        adapter=env.adapter,
        other_adapter=env.other_adapter,
        clock=WallClock(),
        capabilities=CAPABILITIES,
        patience_seconds=60,
        grace_seconds=1,
        service=Service.SQS,
        create=create,
        maximum_body_bytes=limits.SQS_MESSAGE_BYTES,
        refused=REFUSED,
    )
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
def test_sinks(case: SinkCase, together: Together[Opened]) -> None:
    together.check(case)
