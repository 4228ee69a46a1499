"""Partial batch responses, row by row. Source: Lambda guide: with-sqs, with-kinesis."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.policy.partial import PartialResult, failed_identifiers, first_failed

BATCH = ["a", "b", "c"]
COMPLETE_FAILURE = PartialResult((0, 1, 2), complete_failure=True)


def failures(*identifiers: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}


@pytest.mark.parametrize(
    "response",
    ["", None, {}, [], (), {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200}],
    ids=repr,
)
def test_nothing_listed_is_success(response: object) -> None:
    result = failed_identifiers(response, BATCH)
    assert result == PartialResult(())
    assert result.success
    assert first_failed(response, BATCH) is None


@pytest.mark.parametrize(
    "response",
    [
        failures(""),
        failures(None),
        failures("missing"),
        failures("a", "missing"),
        failures(1),
        failures(["a"]),
        failures({"partition": "a"}),
        failures({"a": []}),
        {"batchItemFailures": [{"foo": "x"}]},
        {"batchItemFailures": [{}]},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": "a"},
        {"batchItemFailures": {"itemIdentifier": "a"}},
        [{"itemIdentifier": "a"}],
        "text",
        True,
        False,
        0,
        pytest.param(object(), id="no JSON"),
    ],
    ids=lambda response: repr(response)[:40],
)
def test_what_cannot_be_understood_is_a_complete_failure(response: object) -> None:
    result = failed_identifiers(response, BATCH)
    assert result == COMPLETE_FAILURE
    assert not result.success
    assert first_failed(response, BATCH) == 0


def test_listed_records_fail_in_the_order_of_the_batch() -> None:
    assert failed_identifiers(failures("c", "b"), BATCH) == PartialResult((1, 2))
    assert first_failed(failures("c", "b"), BATCH) == 1


def test_repeated_identifiers_count_once() -> None:
    assert failed_identifiers(failures("b", "b"), BATCH) == PartialResult((1,))


def test_records_that_share_an_identifier_fail_together() -> None:
    assert failed_identifiers(failures("a"), ["a", "b", "a"]) == PartialResult((0, 2))


def test_kafka_identifiers_are_objects() -> None:
    batch = [{"partition": "t-0", "offset": 1}, {"partition": "t-1", "offset": 1}]
    assert failed_identifiers(failures({"offset": 1, "partition": "t-1"}), batch) == PartialResult((1,))
    for wrong in ({"partition": "t-0", "offset": "1"}, {"partition": "t-0", "offset": True}, {"partition": "t-0"}):
        assert failed_identifiers(failures(wrong), batch).complete_failure


def test_an_empty_batch_can_fail_completely() -> None:
    result = failed_identifiers("nonsense", [])
    assert result.complete_failure
    assert not result.success


def test_vector_10() -> None:
    assert failed_identifiers({"batchItemFailures": [{"foo": "x"}]}, BATCH).complete_failure
    assert failed_identifiers({}, BATCH).success


@given(st.lists(st.integers(0, 9), unique=True, min_size=1).map(sorted), st.randoms(use_true_random=False))
def test_any_listed_subset_is_what_failed(indices: list[int], random: Any) -> None:
    batch = [f"id-{number}" for number in range(10)]
    listed = [batch[index] for index in indices]
    random.shuffle(listed)
    assert failed_identifiers(failures(*listed), batch) == PartialResult(tuple(indices))
    assert first_failed(failures(*listed), batch) == indices[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["batchItemFailures", "itemIdentifier", "x"]), inner, max_size=3)
    ),
)


@given(json_values)
def test_any_response_has_an_answer(response: Any) -> None:
    result = failed_identifiers(response, BATCH)
    assert result in (PartialResult(()), COMPLETE_FAILURE)
