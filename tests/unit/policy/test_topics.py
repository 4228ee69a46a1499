"""SNS filter policies. Source: SNS guide: subscription filter policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventflow.errors import InvalidEventPatternError
from eventflow.policy.topics import FilterPolicyScope, TopicFilter

ATTRIBUTES = {
    "store": {"Type": "String", "Value": "example"},
    "price": {"Type": "Number", "Value": "100.50"},
    "tags": {"Type": "String.Array", "Value": '["new", 7, true, null]'},
    "blob": {"Type": "Binary", "Value": "AAEC"},
    "com.shop.kind": {"Type": "String", "Value": "order"},
    "broken": {"Type": "Number", "Value": "many"},
    "torn": {"Type": "String.Array", "Value": "[1,"},
}


def by_attributes(policy: Any) -> bool:
    return TopicFilter(json.dumps(policy), "MessageAttributes").matches(ATTRIBUTES, "ignored")


def by_body(policy: Any, body: str) -> bool:
    return TopicFilter(json.dumps(policy), "MessageBody").matches({}, body)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"store": ["example"]}, True),
        ({"store": ["Example"]}, False),
        ({"store": [{"anything-but": ["other"]}]}, True),
        ({"store": [{"anything-but": {"prefix": "ex"}}]}, False),
        ({"missing": [{"anything-but": ["other"]}]}, False),
        ({"price": [100.5]}, True),
        ({"price": ["100.50"]}, False),
        ({"price": [{"numeric": [">", 0, "<=", 100.5]}]}, True),
        ({"store": [{"numeric": [">", 0]}]}, False),
        ({"tags": ["new"]}, True),
        ({"tags": [7]}, True),
        ({"tags": [True]}, True),
        ({"tags": [1]}, False),
        ({"tags": [None]}, True),
        ({"tags": ["old"]}, False),
        ({"blob": [{"exists": True}]}, False),
        ({"blob": [{"exists": False}]}, True),
        ({"broken": [{"exists": True}]}, False),
        ({"torn": [{"exists": True}]}, False),
        ({"com.shop.kind": ["order"]}, True),
        ({"store": ["example"], "price": [1]}, False),
        ({"$or": [{"store": ["other"]}, {"price": [100.5]}]}, True),
        ({}, True),
    ],
    ids=str,
)
def test_policies_on_attributes(policy: Any, expected: bool) -> None:
    assert by_attributes(policy) is expected


def test_policies_on_the_body() -> None:
    body = '{"store": "s", "customer": {"tier": "gold"}, "items": [{"sku": "a"}, {"sku": "b"}], "ip": "10.0.0.7"}'
    assert by_body({"customer": {"tier": ["gold"]}}, body)
    assert by_body({"customer.tier": ["gold"]}, body)
    assert by_body({"items": {"sku": ["b"]}}, body)
    assert by_body({"ip": [{"cidr": "10.0.0.0/24"}]}, body)
    assert not by_body({"customer": {"tier": ["silver"]}}, body)


@pytest.mark.parametrize("body", ["plain", "[]", '"text"', "5", "null", '[{"a": "x"}]', "[" * 100_000])
def test_a_body_that_is_no_json_object_is_filtered_out(body: str) -> None:
    assert not by_body({"a": [{"exists": False}]}, body)


@pytest.mark.parametrize(
    ("policy", "scope", "reason"),
    [
        ("not json", "MessageBody", "The pattern is not JSON"),
        ("[]", "MessageBody", "Filter is not an object"),
        ('{"a": "x"}', "MessageBody", '"a" must be an object or an array'),
        ('{"a": []}', "MessageBody", "Empty arrays are not allowed"),
        ('{"a": {}}', "MessageBody", "Empty objects are not allowed"),
        ('{"a": [{"wildcard": "x*"}]}', "MessageBody", "Unrecognized match type wildcard"),
        ('{"a": [{"anything-but": {"suffix": "x"}}]}', "MessageBody", "Unsupported anything-but pattern: suffix"),
        ('{"a": [{"equals-ignore-case": ["x"]}]}', "MessageBody", "equals-ignore-case match pattern must be a string"),
        ('{"a": [{"prefix": {"equals-ignore-case": "x"}}]}', "MessageBody", "prefix match pattern must be a string"),
        ('{"a": [1000000001]}', "MessageBody", "is not between -1000000000 and 1000000000"),
        ('{"a": [{"numeric": [">", 0.1234567]}]}', "MessageBody", "has more than five decimals"),
        ('{"a": {"b": ["x"]}}', "MessageAttributes", "does not support nested filter policy"),
        ('{"$or": [{"a": {"b": ["x"]}}, {"c": ["x"]}]}', "MessageAttributes", "does not support nested filter policy"),
        (json.dumps({f"k{n}": ["x"] for n in range(6)}), "MessageBody", "6 keys; 5 are allowed"),
        (json.dumps({"a": [str(n) for n in range(151)]}), "MessageBody", "151 combinations, 150 are allowed"),
        (json.dumps({"a": ["x" * 262_144]}), "MessageBody", "262,144 are allowed"),
        ('{"a": ["x"]}', "Message", "neither MessageAttributes nor MessageBody"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_policy_is_refused_with_the_reason(policy: str, scope: FilterPolicyScope, reason: str) -> None:
    with pytest.raises(InvalidEventPatternError) as caught:
        TopicFilter(policy, scope)
    assert caught.value.reason.startswith("FilterPolicy: ")
    assert reason in caught.value.reason


def test_combinations_count_depth_and_add_up_over_or() -> None:
    # 4 values at depth 3, 3 at depth 2, 3 at depth 1: 12 * 6 * 3 = 216
    nested = {"a": {"b": {"c": ["1", "2", "3", "4"]}}, "d": {"e": ["1", "2", "3"]}, "f": ["1", "2", "3"]}
    with pytest.raises(InvalidEventPatternError, match="216 combinations"):
        TopicFilter(json.dumps(nested), "MessageBody")
    many = [str(number) for number in range(75)]
    assert TopicFilter(json.dumps({"$or": [{"a": many}, {"b": many}]}), "MessageBody").matches({}, '{"b": "7"}')
    with pytest.raises(InvalidEventPatternError, match="5,625 combinations"):
        TopicFilter(json.dumps({"a": many, "b": many}), "MessageBody")
