"""SQS queues of the AWS adapter, on servers that speak SQS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import pytest

from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.testing.harness import Capability, Case, QueueHarness, case_name, skip_reason
from eventflow.testing.queue_cases import QUEUE_CASES, QueueCase
from tests.contract.aws_queues import SERVERS, Opened, opened
from tests.contract.embedded import WallClock
from tests.contract.together import Together, running

CAPABILITIES: Final = frozenset(
    {
        Capability.ATTRIBUTES,
        Capability.DEDUPLICATION,
        Capability.DELAY,
        Capability.FIFO,
        Capability.MESSAGE_ATTRIBUTES,
        Capability.MISSING_RESOURCES,
        Capability.REDRIVE,
        Capability.RELEASE_DELAY,
        Capability.STRICT_RECEIPTS,
        Capability.VISIBILITY_TIMEOUT,
    }
)
NO_LOCK: Final = "two receives at the same time may return one message"
ANY_RECEIPT: Final = "every receipt of a message stays good until it is deleted"
FAULTS: Final[Mapping[tuple[str, str], str]] = {
    ("localstack", "old_receipt_does_not_delete_a_record_received_again"): ANY_RECEIPT,
    ("localstack", "old_receipt_does_not_release_a_record_received_again"): ANY_RECEIPT,
    ("localstack", "extend_reports_records_received_by_somebody_else_as_lost"): ANY_RECEIPT,
    ("moto", "old_receipt_does_not_delete_a_record_received_again"): ANY_RECEIPT,
    ("moto", "old_receipt_does_not_release_a_record_received_again"): ANY_RECEIPT,
    ("moto", "extend_reports_records_received_by_somebody_else_as_lost"): ANY_RECEIPT,
    ("moto", "two_consumers_never_hold_one_record_at_once"): NO_LOCK,
    ("moto", "waiting_receive_goes_on_when_the_group_is_free"): "a long poll does not notice that a group is free",
    ("moto", "deduplication_id_is_queued_once"): "it forgets the deduplication id of a deleted message",
    ("moto", "group_and_sequence_are_among_the_attributes"): "sequence numbers are random",
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
    harness = QueueHarness(
        adapter=env.adapter,
        other_adapter=env.other_adapter,
        clock=WallClock(),
        capabilities=CAPABILITIES,
        patience_seconds=60,
        grace_seconds=1,
        service=Service.SQS,
        create=env.create_queue,
        maximum_body_bytes=limits.SQS_MESSAGE_BYTES,
    )
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


@pytest.mark.parametrize("case", QUEUE_CASES, ids=case_name)
def test_queues(case: QueueCase, together: Together[Opened]) -> None:
    together.check(case)
