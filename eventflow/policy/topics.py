"""SNS filter policies: which messages of a topic reach a subscription."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from eventflow.errors import InvalidEventPatternError
from eventflow.policy._operators import Grammar, is_number
from eventflow.policy._tree import compile_pattern, is_or, parse_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

FilterPolicyScope: TypeAlias = Literal["MessageAttributes", "MessageBody"]

MAXIMUM_KEYS: Final = 5
MAXIMUM_COMBINATIONS: Final = 150
MAXIMUM_POLICY_BYTES: Final = 256 * 1024
_LARGEST_NUMBER: Final = 1e9

_GRAMMAR: Final = Grammar(
    operators=frozenset({"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix"}),
    inside_anything_but=frozenset({"prefix"}),
    largest_number=_LARGEST_NUMBER,
)


class TopicFilter:
    """A compiled filter policy. Source: SNS guide: subscription filter policies.

    With the scope ``MessageBody`` a body that is no JSON object does not match: the message is filtered out.
    """

    def __init__(self, policy_text: str, scope: FilterPolicyScope = "MessageAttributes") -> None:
        """Raises InvalidEventPatternError (``FilterPolicy: <reason>``). The policy ``{}`` lets everything through."""
        self.policy_text = policy_text
        self.scope = scope
        try:
            policy = _parse(policy_text)
            _check_limits(policy, scope)
            self._alternatives = compile_pattern(policy, _GRAMMAR) if policy else ()
        except InvalidEventPatternError as error:
            raise InvalidEventPatternError(f"FilterPolicy: {error.reason}") from error

    def matches(self, attributes: Mapping[str, Mapping[str, str]], body: str) -> bool:
        """Whether a message passes. ``attributes`` are ``{name: {"Type": ..., "Value": ...}}`` as SNS delivers them."""
        if not self._alternatives:
            return True
        event = _attribute_values(attributes) if self.scope == "MessageAttributes" else _body_values(body)
        return event is not None and any(alternative.match_one(event) for alternative in self._alternatives)


def _parse(text: str) -> dict[str, Any]:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAXIMUM_POLICY_BYTES:
        raise InvalidEventPatternError(f"The policy has {size:,} bytes; {MAXIMUM_POLICY_BYTES:,} are allowed")
    return parse_json_object(text)


def _check_limits(policy: Mapping[str, Any], scope: FilterPolicyScope) -> None:
    if scope not in {"MessageAttributes", "MessageBody"}:
        raise InvalidEventPatternError(f"The scope {scope!r} is neither MessageAttributes nor MessageBody")
    if len(policy) > MAXIMUM_KEYS:
        raise InvalidEventPatternError(f"The policy has {len(policy)} keys; {MAXIMUM_KEYS} are allowed")
    if scope == "MessageAttributes" and _is_nested(policy):
        raise InvalidEventPatternError("Filter policy scope MessageAttributes does not support nested filter policy")
    combinations = _combinations(policy, depth=1)
    if combinations > MAXIMUM_COMBINATIONS:
        raise InvalidEventPatternError(
            f"Filter policy is too complex: {combinations:,} combinations, {MAXIMUM_COMBINATIONS} are allowed"
        )


def _is_nested(policy: Mapping[str, Any]) -> bool:
    for name, value in policy.items():
        if isinstance(value, dict) or (is_or(name, value) and any(_is_nested(branch) for branch in value)):
            return True
    return False


def _combinations(policy: Mapping[str, Any], *, depth: int) -> int:
    """SNS's own measure: the lengths of the arrays, each times its depth, multiplied; ``$or`` branches add up."""
    total = 1
    for name, value in policy.items():
        if is_or(name, value):
            total *= sum(_combinations(branch, depth=depth) for branch in value)
        elif isinstance(value, dict):
            total *= _combinations(value, depth=depth + 1)
        elif isinstance(value, list):
            total *= max(1, len(value)) * depth
    return total


def _attribute_values(attributes: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, attribute in attributes.items():
        match attribute["Type"]:
            case "String":
                values[name] = attribute["Value"]
            case "Number" if is_number(number := _json_or_none(attribute["Value"])):
                values[name] = number
            case "String.Array" if isinstance(array := _json_or_none(attribute["Value"]), list):
                values[name] = array
    return values


def _body_values(body: str) -> dict[str, Any] | None:
    parsed = _json_or_none(body)
    return parsed if isinstance(parsed, dict) else None


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
