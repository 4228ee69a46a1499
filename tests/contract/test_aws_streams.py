"""Kinesis on kinesis-local and DynamoDB Streams on DynamoDB Local, with leases there, in real time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import pytest

from eventflow.model.destinations import Service
from eventflow.testing.harness import Case, case_name, skip_reason
from eventflow.testing.progress_cases import latest_starts_with_what_comes_after_the_subscription
from eventflow.testing.stream_cases import STREAM_CASES, StreamCase
from tests.contract.aws_streams import Processes, processes, stream_harness
from tests.contract.together import Together, running
from tests.servers.server import Server

FAULTS: Final[Mapping[tuple[Service, str], str]] = {
    (Service.DYNAMODB, "records_say_when_they_arrived"): "DynamoDB Local rounds times down to a minute",
    (
        Service.DYNAMODB,
        "latest_starts_with_what_comes_after_the_subscription",
    ): "DynamoDB Local rounds times down to a minute",
}
"""Cases that the service's server cannot express: ``{(service, case): its fault}``."""


@pytest.fixture(scope="module", params=[Service.KINESIS, Service.DYNAMODB])
def together(request: pytest.FixtureRequest, dynamodb_server: Server) -> Iterator[Together[Processes]]:
    endpoints = {"DYNAMODB": dynamodb_server, "DYNAMODB_STREAMS": dynamodb_server}
    if request.param is Service.KINESIS:
        endpoints["KINESIS"] = request.getfixturevalue("kinesis_server")
    with running(request, partial(run, request.param), partial(processes, endpoints)) as cases:
        yield cases


async def run(service: Service, case: Case, opened: Processes) -> None:
    if fault := FAULTS.get((service, case_name(case))):
        pytest.skip(fault)
    settles = service is Service.DYNAMODB and case is latest_starts_with_what_comes_after_the_subscription
    mine = opened.for_one_case()
    harness = stream_harness(mine, service, settles=settles)
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    try:
        await case(harness)
    finally:
        await mine.tidy()


@pytest.mark.parametrize("case", STREAM_CASES, ids=case_name)
def test_streams(case: StreamCase, together: Together[Processes]) -> None:
    together.check(case)
