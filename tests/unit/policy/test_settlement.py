from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, ThrottleReason, TimedOut
from eventflow.model.records import QueueRecord
from eventflow.policy.settlement import settle_queue_batch


def batch(*ids: str) -> list[QueueRecord]:
    return [QueueRecord(id, f"r-{id}", "", 1, None, {}, {}) for id in ids]


def failures(*ids: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": id} for id in ids]}


def settled(records: list[QueueRecord], outcome: Outcome, *, report: bool) -> tuple[list[str], list[str]]:
    identifiers = [record.message_id for record in records] if report else None
    settlement = settle_queue_batch(records, outcome, identifiers)
    return [record.message_id for record in settlement.delete], [record.message_id for record in settlement.leave]


@pytest.mark.parametrize("report", [True, False])
@pytest.mark.parametrize(
    "outcome", [FunctionFailed("ValueError", "x"), TimedOut(3, "1"), Throttled(ThrottleReason.FUNCTION)]
)
def test_whatever_did_not_succeed_comes_back(outcome: Outcome, report: bool) -> None:
    assert settled(batch("a", "b"), outcome, report=report) == ([], ["a", "b"])


@pytest.mark.parametrize("value", [None, {}, failures("a"), "anything", failures("unknown")])
def test_without_reporting_the_response_does_not_matter(value: Any) -> None:
    assert settled(batch("a", "b"), Succeeded(value), report=False) == (["a", "b"], [])


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (None, []),
        ({}, []),
        (failures(), []),
        (failures("b"), ["b"]),
        (failures("b", "a", "b"), ["a", "b"]),
        (failures("unknown"), ["a", "b", "c"]),
        (failures("a", ""), ["a", "b", "c"]),
        (failures(None), ["a", "b", "c"]),
        ({"batchItemFailures": [{"foo": "a"}]}, ["a", "b", "c"]),
        ("not an object", ["a", "b", "c"]),
    ],
)
def test_with_reporting_what_is_reported_comes_back(value: Any, left: list[str]) -> None:
    deleted = [id for id in "abc" if id not in left]
    assert settled(batch("a", "b", "c"), Succeeded(value), report=True) == (deleted, left)


@given(ids=st.lists(st.text(min_size=1), unique=True), data=st.data())
def test_every_record_is_settled_once(ids: list[str], data: st.DataObject) -> None:
    reported = data.draw(st.lists(st.sampled_from([*ids, "?"]) if ids else st.just("?")))
    deleted, left = settled(batch(*ids), Succeeded(failures(*reported)), report=True)
    assert sorted(deleted + left) == sorted(ids)
