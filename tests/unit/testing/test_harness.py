from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import ModuleType

import pytest

from eventflow.testing import (
    event_queue_cases,
    fifo_cases,
    filter_cases,
    notification_cases,
    progress_cases,
    queue_cases,
    rebalance_cases,
    settling_cases,
    sink_cases,
    stream_cases,
)
from eventflow.testing.harness import Capability, Case, case_name, needs, skip_reason

LISTED: dict[ModuleType, tuple[Case, ...]] = {
    event_queue_cases: event_queue_cases.EVENT_QUEUE_CASES,
    fifo_cases: fifo_cases.FIFO_CASES + fifo_cases.REDRIVE_CASES,
    filter_cases: (
        filter_cases.BUCKET_CASES + filter_cases.TOPIC_CASES + filter_cases.BUS_CASES + filter_cases.SCHEDULE_CASES
    ),
    notification_cases: notification_cases.NOTIFICATION_CASES,
    progress_cases: progress_cases.PROGRESS_CASES,
    queue_cases: queue_cases.QUEUE_CASES,
    rebalance_cases: rebalance_cases.REBALANCE_CASES + rebalance_cases.RESHARD_CASES,
    settling_cases: settling_cases.SETTLING_CASES,
    sink_cases: sink_cases.SINK_CASES,
    stream_cases: stream_cases.STREAM_CASES,
}


@dataclass(frozen=True)
class Able:
    capabilities: frozenset[str]


async def for_everybody() -> None: ...


@needs("fifo", Capability.REDRIVE)
async def for_some() -> None: ...


def test_a_case_without_needs_runs_everywhere() -> None:
    assert skip_reason(for_everybody, Able(frozenset())) is None


def test_a_case_runs_where_all_its_needs_are_met() -> None:
    assert skip_reason(for_some, Able(frozenset({"fifo", "redrive", "delay"}))) is None


def test_the_reason_for_a_skip_names_what_is_missing() -> None:
    assert skip_reason(for_some, Able(frozenset({"delay"}))) == "needs fifo, redrive"


def test_needs_that_nobody_can_have_are_refused() -> None:
    with pytest.raises(ValueError, match="fofi"):
        needs("fofi")


def test_cases_are_named_after_their_functions() -> None:
    assert case_name(for_some) == "for_some"


@pytest.mark.parametrize("module", LISTED, ids=lambda module: module.__name__)
def test_every_case_of_a_module_is_listed(module: ModuleType) -> None:
    cases = {
        function
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert cases <= set(LISTED[module])


@pytest.mark.parametrize("module", LISTED, ids=lambda module: module.__name__)
def test_no_case_is_listed_twice(module: ModuleType) -> None:
    assert len(LISTED[module]) == len(set(LISTED[module]))
