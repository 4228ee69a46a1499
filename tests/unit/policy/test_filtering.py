"""Filter criteria of event source mappings. Source: Lambda guide: invocation-eventfiltering."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventflow.errors import InvalidEventPatternError
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.policy.filtering import FilterCriteria, filter_problems

SQS = FilterRules(data_key="body", plain_text=True, mismatch=FilterMismatch.DROP)
KINESIS = FilterRules(data_key="data", plain_text=False, mismatch=FilterMismatch.DROP)
DYNAMODB = FilterRules(data_key="dynamodb", plain_text=False, mismatch=FilterMismatch.DROP, decoded=True)
KAFKA = FilterRules(data_key="value", plain_text=True, mismatch=FilterMismatch.IGNORE_DATA)

JSON_PATTERN = {"kind": ["order"]}
TEXT_PATTERN = ["order"]
NONE = object()


def passes(rules: FilterRules, pattern: Any, data: Any, **metadata: Any) -> bool:
    fields = {} if pattern is NONE else {rules.data_key: pattern}
    criteria = FilterCriteria([json.dumps({**fields, "meta": ["m"]})], rules)
    return criteria.matches(FilterView(data, {"meta": "m", **metadata}))


def only(rules: FilterRules, pattern: Any, data: Any) -> bool:
    return FilterCriteria([json.dumps(pattern)], rules).matches(FilterView(data, {}))


@pytest.mark.parametrize(
    ("rules", "data", "pattern", "expected"),
    [
        (SQS, "order", TEXT_PATTERN, True),
        (SQS, "other", TEXT_PATTERN, False),
        (SQS, "order", NONE, True),
        (SQS, '{"kind": "order"}', JSON_PATTERN, True),
        (SQS, '{"kind": "other"}', JSON_PATTERN, False),
        (SQS, '{"kind": "order"}', NONE, True),
        (SQS, "order", JSON_PATTERN, False),
        (SQS, '{"kind": "order"}', ['{"kind": "order"}'], False),
        (SQS, '[{"kind": "order"}]', JSON_PATTERN, True),
        (SQS, "42", ["42"], True),
        (SQS, '"order"', JSON_PATTERN, False),
        (KINESIS, b'{"kind": "order"}', JSON_PATTERN, True),
        (KINESIS, b'{"kind": "other"}', JSON_PATTERN, False),
        (KINESIS, b"order", JSON_PATTERN, False),
        (KINESIS, b"\xff\xfe", JSON_PATTERN, False),
        (KINESIS, b"\xff\xfe", NONE, True),
        (DYNAMODB, {"kind": "order"}, JSON_PATTERN, True),
        (DYNAMODB, {"kind": "other"}, JSON_PATTERN, False),
        (KAFKA, b'{"kind": "order"}', JSON_PATTERN, True),
        (KAFKA, b'{"kind": "other"}', JSON_PATTERN, False),
        (KAFKA, b"order", TEXT_PATTERN, True),
        (KAFKA, b"other", TEXT_PATTERN, False),
        (KAFKA, b"order", JSON_PATTERN, True),
        (KAFKA, b'{"kind": "other"}', TEXT_PATTERN, True),
        (KAFKA, b"\xff\xfe", JSON_PATTERN, True),
        (KAFKA, b"\xff\xfe", TEXT_PATTERN, True),
        (KAFKA, None, JSON_PATTERN, False),
        (KAFKA, None, [{"exists": False}], True),
        (KAFKA, None, NONE, True),
    ],
)
def test_data_format_against_pattern_format(rules: FilterRules, data: Any, pattern: Any, expected: bool) -> None:
    assert passes(rules, pattern, data) is expected


@pytest.mark.parametrize("rules", [SQS, KAFKA])
def test_metadata_always_decides_too(rules: FilterRules) -> None:
    assert not passes(rules, JSON_PATTERN, b'{"kind": "order"}', meta="other")
    assert not passes(rules, JSON_PATTERN, b"plain", meta="other")


def test_metadata_alone_may_be_filtered_on() -> None:
    criteria = FilterCriteria(['{"eventName": ["INSERT"]}'], DYNAMODB)
    assert criteria.matches(FilterView({}, {"eventName": "INSERT"}))
    assert not criteria.matches(FilterView({}, {"eventName": "REMOVE"}))


def test_no_filters_let_everything_pass() -> None:
    assert FilterCriteria([], SQS).matches(FilterView("anything", {}))


def test_any_filter_is_enough() -> None:
    criteria = FilterCriteria(['{"body": {"a": [1]}}', '{"body": ["text"]}'], SQS)
    assert criteria.matches(FilterView('{"a": 1}', {}))
    assert criteria.matches(FilterView("text", {}))
    assert not criteria.matches(FilterView('{"a": 2}', {}))


def test_or_branches_may_ask_for_different_formats() -> None:
    criteria = FilterCriteria(['{"$or": [{"body": {"a": [1]}}, {"body": ["text"]}, {"messageId": ["m"]}]}'], SQS)
    assert criteria.matches(FilterView('{"a": 1}', {}))
    assert criteria.matches(FilterView("text", {}))
    assert criteria.matches(FilterView("other", {"messageId": "m"}))
    assert not criteria.matches(FilterView("other", {"messageId": "n"}))


def test_dotted_data_paths_are_json_patterns() -> None:
    assert only(SQS, {"body.a": [1]}, '{"a": 1}')
    assert not only(SQS, {"body.a": [1]}, "text")


class CountedBytes(bytes):
    """Data that counts how often it is decoded."""

    decoded = 0

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        self.decoded += 1
        return super().decode(encoding, errors)


def test_data_is_decoded_once_for_several_filters() -> None:
    data = CountedBytes(b'{"a": 9}')
    criteria = FilterCriteria([f'{{"value": {{"a": [{number}]}}}}' for number in range(5)], KAFKA)
    assert not criteria.matches(FilterView(data, {}))
    assert data.decoded == 1


def test_data_is_not_decoded_unless_a_filter_looks_at_it() -> None:
    data = CountedBytes(b'{"a": 1}')
    criteria = FilterCriteria(['{"meta": ["m"]}', '{"meta": ["n"], "value": {"a": [1]}}'], KAFKA)
    assert criteria.matches(FilterView(data, {"meta": "m"}))
    assert not criteria.matches(FilterView(data, {"meta": "other"}))
    assert data.decoded == 0


def test_vector_12_numeric_filters_on_a_queue() -> None:
    assert only(SQS, {"body": {"n": [{"numeric": [">", 100]}]}}, '{"n": 101}')
    assert not only(SQS, {"body": {"n": [{"numeric": [">", 100]}]}}, '{"n": 100}')
    between = {"body": {"n": [{"numeric": [">=", 100, "<", 200]}]}}
    assert only(SQS, between, '{"n": 100}')
    assert not only(SQS, between, '{"n": 200}')


def test_vector_13_a_json_filter_drops_plain_text_from_a_queue() -> None:
    assert not only(SQS, {"body": {"n": [1]}}, "plain text")


def test_vector_14_numbers_of_a_table_are_text() -> None:
    pattern = {"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}}}}
    assert only(DYNAMODB, pattern, {"NewImage": {"n": {"N": "42"}}})
    assert not only(DYNAMODB, pattern, {"NewImage": {"n": {"N": "101"}}})


def test_attribute_types_of_a_table_are_part_of_the_path() -> None:
    image = {"NewImage": {"k": {"S": "v"}, "l": {"L": [{"S": "x"}]}}, "ApproximateCreationDateTime": 1.5}
    assert only(DYNAMODB, {"dynamodb": {"NewImage": {"k": {"S": ["v"]}}}}, image)
    assert not only(DYNAMODB, {"dynamodb": {"NewImage": {"k": ["v"]}}}, image)
    assert only(DYNAMODB, {"dynamodb": {"NewImage": {"k": [{"exists": False}]}}}, image)
    assert only(DYNAMODB, {"dynamodb": {"NewImage": {"l": {"L": {"S": [{"exists": True}]}}}}}, image)
    assert only(DYNAMODB, {"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 1]}]}}, image)


@pytest.mark.parametrize("text", ["null", "simple string", '"text"', '{"a": "x"}', '{"a": []}', "{}", "[]"])
def test_vector_15_a_bad_filter_is_refused(text: str) -> None:
    with pytest.raises(InvalidEventPatternError) as caught:
        FilterCriteria([text], SQS)
    assert caught.value.reason.startswith("Invalid filter pattern definition.")


@pytest.mark.parametrize("rules", [KINESIS, DYNAMODB])
def test_plain_text_patterns_are_refused_where_there_is_no_plain_text(rules: FilterRules) -> None:
    text = json.dumps({"$or": [{rules.data_key: ["x"]}, {"meta": ["m"]}]})
    with pytest.raises(InvalidEventPatternError, match=f"'{rules.data_key}' must be an object"):
        FilterCriteria([text], rules)
    assert len(filter_problems([text], rules)) == 1


def test_every_mistake_in_the_filters_is_listed() -> None:
    good = '{"body": ["x"]}'
    assert filter_problems([good] * 5, SQS) == []
    problems = filter_problems([good, "nonsense", "{}", json.dumps({"a": ["x" * 4_100]}), good, good], SQS)
    assert len(problems) == 4
    assert problems[0] == "6 filters are given; at most 5 are allowed"
    assert [problem[:8] for problem in problems[1:]] == ["filter 2", "filter 3", "filter 4"]
    assert "4,096 are allowed" in problems[3]


def test_the_number_of_filters_may_be_raised() -> None:
    assert filter_problems(['{"body": ["x"]}'] * 10, SQS, maximum_filters=10) == []
