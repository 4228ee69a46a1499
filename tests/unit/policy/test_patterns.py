"""The pattern language, row by row. Source: EventBridge guide: event patterns."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest

from eventflow.errors import InvalidEventPatternError
from eventflow.policy.patterns import Dialect, EventPattern


def matches(matchers: list[Any], value: Any) -> bool:
    return EventPattern({"field": matchers}).matches({"field": value})


def reason_of(pattern: Any, dialect: Dialect = Dialect.EVENTBRIDGE) -> str:
    with pytest.raises(InvalidEventPatternError) as caught:
        EventPattern(pattern, dialect=dialect)
    return caught.value.reason


@pytest.mark.parametrize(
    ("matcher", "accepted", "refused"),
    [
        ("x", ["x"], ["X", "xx", "", None, 1, True]),
        ("", [""], [" ", None]),
        (None, [None], ["", 0, False, "null"]),
        (True, [True], [1, 1.0, "true", False]),
        (False, [False], [0, "", None]),
        (1, [1, 1.0], ["1", True, 2]),
        (300, [300, 300.0, 3.0e2], ["300", 301]),
        (0, [0, 0.0, -0.0], [False, None, ""]),
        ({"prefix": "ab"}, ["ab", "abc"], ["a", "AB", "cab", 1, None]),
        ({"prefix": ""}, ["", "any"], [1, None]),
        ({"prefix": {"equals-ignore-case": "aB"}}, ["ab", "ABc"], ["a", "cab", 1]),
        ({"suffix": ".csv"}, [".csv", "a.csv"], ["a.CSV", "csv", 1]),
        ({"suffix": {"equals-ignore-case": ".Csv"}}, ["a.CSV", "a.csv"], ["csv", None]),
        ({"equals-ignore-case": "aB"}, ["ab", "AB"], ["abc", "", 1]),
        ({"equals-ignore-case": ""}, [""], ["a", None]),
        ({"equals-ignore-case": ["a", "B"]}, ["A", "b"], ["c"]),
        ({"wildcard": "a*b"}, ["ab", "axxb", "a*b"], ["a", "abc", "cab", 1]),
        ({"wildcard": "*"}, ["", "anything"], [1, None]),
        ({"wildcard": ""}, [""], ["a"]),
        ({"wildcard": "aa*aa"}, ["aaaa", "aaxaa"], ["aaa", "aa"]),
        ({"wildcard": "a*b*c"}, ["abc", "a-b-b-c"], ["acb", "ab"]),
        ({"wildcard": r"a\*b"}, ["a*b"], ["axb", r"a\*b"]),
        ({"wildcard": r"a\\*"}, ["a\\", "a\\b"], ["a*", "a"]),
        ({"anything-but": "x"}, ["y", "", None, 1, True], ["x"]),
        ({"anything-but": ["x", "y"]}, ["z", None], ["x", "y"]),
        ({"anything-but": 1}, [2, "1", True, None], [1, 1.0]),
        ({"anything-but": [1, 2]}, [3, "x"], [1, 2.0]),
        ({"anything-but": {"prefix": "a"}}, ["b", "", 1, None], ["a", "ab"]),
        ({"anything-but": {"prefix": ["a", "b"]}}, ["c"], ["ax", "bx"]),
        ({"anything-but": {"suffix": "a"}}, ["ab", 1], ["a", "ba"]),
        ({"anything-but": {"suffix": ["a", "b"]}}, ["c"], ["xa", "xb"]),
        ({"anything-but": {"equals-ignore-case": "aB"}}, ["a", None], ["ab", "AB"]),
        ({"anything-but": {"equals-ignore-case": ["a", "b"]}}, ["c"], ["A", "B"]),
        ({"anything-but": {"wildcard": "a*b"}}, ["a", 1], ["ab", "axb"]),
        ({"anything-but": {"wildcard": ["a*", "*b"]}}, ["c"], ["ax", "xb"]),
        ({"numeric": ["=", 5]}, [5, 5.0], ["5", 6, None, True]),
        ({"numeric": [">", 100]}, [101, 100.5], [100, "101"]),
        ({"numeric": [">=", 100, "<", 200]}, [100, 199.9], [200, 99]),
        ({"numeric": [">", 0, "<=", 5]}, [5, 0.1], [0, 5.1, True]),
        ({"numeric": ["<", 0]}, [-1], [0, False]),
        ({"numeric": ["<=", 0]}, [0, -1], [1]),
        ({"cidr": "10.0.0.0/24"}, ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "10.0.0", "::1", 1, None]),
        ({"cidr": "10.0.0.77/24"}, ["10.0.0.1"], ["10.0.1.1"]),
        ({"cidr": "2001:db8::/32"}, ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
        ({"exists": True}, ["x", "", 0, None, False, ["x"]], [[], {"a": 1}, {}]),
        ({"exists": False}, [[], {"a": 1}, {}], ["x", None, ["x"]]),
    ],
    ids=json.dumps,
)
def test_each_matcher_accepts_what_it_should(matcher: Any, accepted: list[Any], refused: list[Any]) -> None:
    assert [value for value in accepted if not matches([matcher], value)] == []
    assert [value for value in refused if matches([matcher], value)] == []


@pytest.mark.parametrize("matcher", ["x", None, {"anything-but": "x"}, {"exists": True}, {"prefix": ""}])
def test_an_absent_key_matches_only_exists_false(matcher: Any) -> None:
    assert not EventPattern({"field": [matcher]}).matches({"other": "x"})
    assert EventPattern({"field": [matcher, {"exists": False}]}).matches({"other": "x"})


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("not json", "The pattern is not JSON"),
        ('{"a": [NaN]}', "NaN"),
        ("null", "Filter is not an object"),
        ('"text"', "Filter is not an object"),
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        ({"a": {}}, "Empty objects are not allowed"),
        ({"a": [{}]}, "Empty objects are not allowed"),
        ({"a": []}, "Empty arrays are not allowed"),
        ({"a": "x"}, '"a" must be an object or an array'),
        ({"a": 1}, '"a" must be an object or an array'),
        ({"a": None}, '"a" must be an object or an array'),
        ({"a": [["x"]]}, "Match value must be String, number, true, false, or null"),
        ({"a": [{"EXISTS": True}]}, "Unrecognized match type EXISTS"),
        ({"a": [{"regex": "x"}]}, "Unrecognized match type regex"),
        ({"a": [{"prefix": "a", "suffix": "b"}]}, "Only one key allowed in match expression"),
        ({"a": [{"prefix": 1}]}, "prefix match pattern must be a string"),
        ({"a": [{"prefix": {"suffix": "a"}}]}, "Unsupported prefix pattern: suffix"),
        ({"a": [{"suffix": None}]}, "suffix match pattern must be a string"),
        ({"a": [{"equals-ignore-case": {"prefix": "a"}}]}, "equals-ignore-case match pattern must be a string"),
        ({"a": [{"equals-ignore-case": []}]}, "Empty arrays are not allowed"),
        ({"a": [{"exists": "true"}]}, "exists match pattern must be either true or false."),
        ({"a": [{"wildcard": 1}]}, "wildcard match pattern must be a string"),
        ({"a": [{"wildcard": "a**b"}]}, "Consecutive wildcard characters at pos 2"),
        ({"a": [{"wildcard": r"a\b"}]}, "Invalid escape character at pos 1"),
        ({"a": [{"wildcard": "a\\"}]}, "Invalid escape character at pos 1"),
        ({"a": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}, "Rule is too complex"),
        ({"a": [{"anything-but": None}]}, "Value of anything-but must be an array or single string/number value."),
        ({"a": [{"anything-but": True}]}, "Value of anything-but must be an array or single string/number value."),
        (
            {"a": [{"anything-but": [{"x": 1}]}]},
            "Value of anything-but must be an array or single string/number value.",
        ),
        ({"a": [{"anything-but": []}]}, "Empty arrays are not allowed"),
        ({"a": [{"anything-but": ["x", 1]}]}, "mixed type is not supported"),
        ({"a": [{"anything-but": {"prefix": ""}}]}, "Null prefix/suffix not allowed"),
        ({"a": [{"anything-but": {"suffix": ["a", ""]}}]}, "Null prefix/suffix not allowed"),
        ({"a": [{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}]}, "prefix match pattern must be a string"),
        ({"a": [{"anything-but": {"numeric": ["=", 1]}}]}, "Unsupported anything-but pattern: numeric"),
        ({"a": [{"anything-but": {"prefix": "a", "suffix": "b"}}]}, "Only one key allowed in match expression"),
        ({"a": [{"anything-but": {"wildcard": []}}]}, "Empty arrays are not allowed"),
        ({"a": [{"numeric": 5}]}, "Value of numeric must be an array."),
        ({"a": [{"numeric": []}]}, "Invalid member in numeric match"),
        ({"a": [{"numeric": [">"]}]}, "Invalid member in numeric match"),
        ({"a": [{"numeric": ["!=", 5]}]}, "Unrecognized numeric range operator: !="),
        ({"a": [{"numeric": [">", "5"]}]}, "Value of > must be numeric"),
        ({"a": [{"numeric": [">", True]}]}, "Value of > must be numeric"),
        ({"a": [{"numeric": ["<", 10, ">", 5]}]}, "Bad numeric range operator: <"),
        ({"a": [{"numeric": [">", 10, ">", 5]}]}, "Bad numeric range operator: >"),
        ({"a": [{"numeric": [">", 5, "<", 5]}]}, "Bottom must be less than top"),
        ({"a": [{"numeric": [">", 1, "<", 2, "<", 3]}]}, "Too many elements in numeric expression"),
        ({"a": [{"cidr": 1}]}, "cidr match pattern must be a string"),
        ({"a": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required"),
        ({"a": [{"cidr": "10.0.0.0/x"}]}, "Malformed CIDR, mask bits must be an integer"),
        ({"a": [{"cidr": "10.0.0.0/33"}]}, "Malformed CIDR"),
        ({"a": [{"cidr": "10.0.0/24"}]}, "Malformed CIDR"),
        ('{"a": ["x"], "a": ["y"]}', "Path `a` cannot be allowed multiple times"),
        ({"a": {"b": ["x"]}, "a.b": ["y"]}, "Path `a.b` cannot be allowed multiple times"),
        ({"a": ["x"], "$or": [{"a": ["y"]}, {"b": ["z"]}]}, "Path `a` cannot be allowed multiple times"),
        ({"$or": []}, "Empty arrays are not allowed"),
        ({"$or": [{"a": ["x"]}]}, "Unrecognized match type a"),
        pytest.param({"a": [{"anything-but": object()}]}, "The pattern is not JSON", id="no JSON"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_pattern_is_refused_with_the_reason(pattern: Any, reason: str) -> None:
    assert reason in reason_of(pattern)


def test_fields_are_anded_and_unknown_event_keys_ignored() -> None:
    pattern = EventPattern({"source": ["shop"], "detail": {"state": ["paid", "sent"]}})
    assert pattern.matches({"source": "shop", "detail": {"state": "sent", "id": 1}, "region": "x"})
    assert not pattern.matches({"source": "shop", "detail": {"state": "new"}})
    assert not pattern.matches({"detail": {"state": "sent"}})


def test_names_are_case_sensitive() -> None:
    assert not EventPattern({"Source": ["x"]}).matches({"source": "x"})


def test_a_pattern_nested_deeper_than_the_event_does_not_match() -> None:
    assert not EventPattern({"a": {"b": {"c": ["x"]}}}).matches({"a": {"b": "x"}})
    assert EventPattern({"a": {"b": {"c": [{"exists": False}]}}}).matches({"a": {"b": "x"}})
    assert EventPattern({"a": {"b": {"c": [{"exists": False}]}}}).matches({})


def test_json_inside_text_is_never_searched() -> None:
    assert not EventPattern({"body": {"a": ["x"]}}).matches({"body": '{"a": "x"}'})


def test_an_event_array_matches_if_any_element_does() -> None:
    assert matches(["x"], ["a", "x"])
    assert matches(["x"], [["a"], [["x"]]])
    assert not matches(["x"], ["a", ["b"]])
    assert matches([{"anything-but": "x"}], ["x", "y"])
    assert not matches([{"anything-but": "x"}], [])


def test_two_fields_below_one_array_must_match_in_the_same_element() -> None:
    pattern = EventPattern({"items": {"sku": ["a"], "size": ["L"]}})
    assert pattern.matches({"items": [{"sku": "b"}, {"sku": "a", "size": "L"}]})
    assert not pattern.matches({"items": [{"sku": "a", "size": "S"}, {"sku": "b", "size": "L"}]})


def test_array_consistency_reaches_into_or_branches() -> None:
    pattern = EventPattern({"items": {"sku": ["a"]}, "$or": [{"items.size": ["L"]}, {"vip": [True]}]})
    assert pattern.matches({"items": [{"sku": "a", "size": "L"}]})
    assert not pattern.matches({"items": [{"sku": "a"}, {"size": "L"}]})
    assert pattern.matches({"items": [{"sku": "a"}, {"size": "L"}], "vip": True})


def test_exists_false_below_an_array_means_in_no_element() -> None:
    alone = EventPattern({"items": {"sku": [{"exists": False}]}})
    assert not alone.matches({"items": [{"sku": "a"}, {"size": "L"}]})
    assert alone.matches({"items": [{"size": "S"}, {"size": "L"}]})


def test_exists_false_beside_a_match_concerns_the_matching_element() -> None:
    pattern = EventPattern({"items": {"size": ["L"], "sku": [{"exists": False}]}})
    assert pattern.matches({"items": [{"sku": "a"}, {"size": "L"}]})
    assert not pattern.matches({"items": [{"sku": "a", "size": "L"}, {"size": "S"}]})


def test_or_needs_one_branch_and_the_other_fields() -> None:
    pattern = EventPattern({"source": ["s"], "$or": [{"a": [1]}, {"b": [2]}]})
    assert pattern.matches({"source": "s", "a": 1})
    assert pattern.matches({"source": "s", "b": 2, "a": 0})
    assert not pattern.matches({"source": "s", "a": 2})
    assert not pattern.matches({"a": 1})


def test_or_may_be_nested_and_repeated() -> None:
    pattern = EventPattern(
        {
            "detail": {"$or": [{"a": [1]}, {"$or": [{"b": [2]}, {"c": [3]}]}]},
            "$or": [{"x": [1]}, {"y": [1]}],
        }
    )
    assert pattern.matches({"detail": {"c": 3}, "y": 1})
    assert not pattern.matches({"detail": {"c": 3}})


def test_or_that_is_no_operator_is_an_ordinary_field() -> None:
    assert EventPattern({"$or": ["x"]}).matches({"$or": "x"})
    assert EventPattern({"$or": [{"prefix": "x"}, {"suffix": "y"}]}).matches({"$or": "my"})
    assert EventPattern({"$or": {"a": ["x"]}}).matches({"$or": {"a": "x"}})


def test_too_many_combinations_are_refused_before_they_are_built() -> None:
    ten = {"$or": [{f"f{number}": [1]} for number in range(10)]}
    allowed = {"a": ten, "b": ten, "c": ten}
    assert EventPattern(allowed).matches({"a": {"f0": 1}, "b": {"f9": 1}, "c": {"f5": 1}})
    assert "Rule is too complex" in reason_of({**allowed, "d": {"$or": [{"x": [1]}, {"y": [1]}]}})


def test_dots_in_names_are_nesting_in_pattern_and_event() -> None:
    dotted, nested = EventPattern({"a.b.c": ["x"]}), EventPattern({"a": {"b": {"c": ["x"]}}})
    for event in ({"a": {"b": {"c": "x"}}}, {"a.b": {"c": "x"}}, {"a": {"b.c": "x"}}, {"a.b.c": "x"}):
        assert dotted.matches(event)
        assert nested.matches(event)
    assert not nested.matches({"a.b": {"c": "y"}, "a": {"b": {"d": "x"}}})


def test_dotted_and_nested_values_of_one_event_are_both_seen() -> None:
    pattern = EventPattern({"a": {"b": ["x"], "c": ["y"]}})
    assert pattern.matches({"a": {"b": "x"}, "a.c": "y"})
    assert pattern.matches({"a": {"b": "w", "c": "y"}, "a.b": "x"})
    assert not EventPattern({"a": {"b": [{"exists": False}]}}).matches({"a": {"c": 1}, "a.b": "x"})


def test_a_path_asked_for_as_value_and_as_object_matches_only_an_absent_side() -> None:
    pattern = EventPattern({"a": [{"exists": False}], "a.b": ["x"]})
    assert pattern.matches({"a": {"b": "x"}})
    assert not EventPattern({"a": ["x"], "a.b": ["x"]}).matches({"a": ["x", {"b": "x"}]})


def test_length_and_depth_are_limited() -> None:
    assert "4,096 are allowed" in reason_of({"a": ["x" * 4_096]})
    assert "nested too deeply" in reason_of('{"a":' * 200 + '["x"]' + "}" * 200)
    assert "nested too deeply" in reason_of('{"a":' * 100_000)


def test_a_hostile_event_is_answered() -> None:
    deep: Any = "x"
    for _ in range(20_000):
        deep = [deep]
    assert matches(["x"], deep)
    assert not matches([{"wildcard": "a*a*a*a*ab"}], "a" * 50_000)
    wide = EventPattern({"items": {"a": [1], "b": {"c": [2], "d": [3]}}})
    elements = [{"a": 1, "b": [{"c": 2} for _ in range(30)]} for _ in range(300)]
    assert not wide.matches({"items": elements})


def test_mapping_dialect_refuses_what_mappings_do_not_know() -> None:
    for operator in ({"wildcard": "a*"}, {"cidr": "10.0.0.0/8"}, {"anything-but": {"prefix": "a"}}):
        assert reason_of({"a": [operator]}, Dialect.EVENT_SOURCE_MAPPING).startswith(
            "Invalid filter pattern definition. U"
        )
    assert EventPattern({"a": [{"anything-but": ["x"]}]}, dialect=Dialect.EVENT_SOURCE_MAPPING).matches({"a": "y"})


def test_a_pattern_is_a_value() -> None:
    pattern = EventPattern('{"a": ["x"]}')
    assert pattern == EventPattern({"a": ["x"]}) == EventPattern(b'{"a":["x"]}')
    assert hash(pattern) == hash(EventPattern({"a": ["x"]}))
    assert pattern != EventPattern({"a": ["x"]}, dialect=Dialect.EVENT_SOURCE_MAPPING)
    assert pattern.pattern == {"a": ["x"]}
    assert repr(pattern) == """EventPattern('{"a":["x"]}', dialect=EVENTBRIDGE)"""
    with pytest.raises(AttributeError):
        pattern.text = "other"  # type: ignore[misc]


def test_patterns_and_events_may_be_any_mapping() -> None:
    assert EventPattern(MappingProxyType({"a": ["x"]})).matches(MappingProxyType({"a": "x"}))
