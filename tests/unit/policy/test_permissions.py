"""Who may invoke what: identity policies, resource policies, and both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.model.permissions import AccessKey, Permission, Source
from eventflow.policy.permissions import arn_matches, denial, matches

HERE, ELSEWHERE = "111111111111", "222222222222"
USER = f"arn:aws:iam::{HERE}:user/ada"
STRANGER = f"arn:aws:iam::{ELSEWHERE}:role/forwarder"
SESSION = f"arn:aws:sts::{ELSEWHERE}:assumed-role/forwarder/session"
S3 = "s3.amazonaws.com"
BUCKET = Source("arn:aws:s3:::uploads", HERE)


def allowed(
    principal: str, *permissions: Permission, source: Source | None = None, functions: tuple[str, ...] = ("*",)
) -> bool:
    caller = AccessKey(id="K", principal=principal, functions=functions)
    return denial(caller, "confirm", permissions, source or Source(), account_id=HERE) is None


def statement(principal: str, source_arn: str | None = None, source_account: str | None = None) -> Permission:
    return Permission(function="confirm", principal=principal, source_arn=source_arn, source_account=source_account)


@pytest.mark.parametrize(
    ("functions", "expected"), [(("*",), True), (("con*",), True), (("book", "conf?rm"), True), (("book",), False)]
)
def test_an_identity_of_the_account_needs_its_own_policy(functions: tuple[str, ...], expected: bool) -> None:
    assert allowed(USER, functions=functions) is expected


def test_or_a_statement_that_names_it() -> None:
    assert allowed(USER, statement(USER), functions=("book",))
    assert allowed(USER, statement("*"), functions=("book",))


def test_naming_its_account_only_leaves_it_to_its_own_policy() -> None:
    for principal in (HERE, f"arn:aws:iam::{HERE}:root"):
        assert not allowed(USER, statement(principal), functions=("book",))


@pytest.mark.parametrize("principal", [ELSEWHERE, f"arn:aws:iam::{ELSEWHERE}:root", STRANGER, "*"])
def test_an_identity_of_another_account_needs_both(principal: str) -> None:
    assert allowed(STRANGER, statement(principal))
    assert allowed(SESSION, statement(principal))
    assert not allowed(STRANGER)
    assert not allowed(STRANGER, statement(principal), functions=("book",))
    assert not allowed(STRANGER, Permission(function="book", principal=principal))


def test_a_service_is_let_in_by_a_statement_only() -> None:
    assert not allowed(S3)
    assert allowed(S3, statement(S3))
    assert not allowed(S3, statement("sns.amazonaws.com"))
    assert not allowed(S3, statement(HERE))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (BUCKET, True),
        (Source("arn:aws:s3:::other", HERE), False),
        (Source("arn:aws:s3:::uploads", ELSEWHERE), False),
        (Source("arn:aws:s3:::uploads"), False),
        (Source(account=HERE), False),
        (Source(), False),
    ],
)
def test_a_service_has_to_call_for_the_right_source(source: Source, expected: bool) -> None:
    assert allowed(S3, statement(S3, "arn:aws:s3:::upl*", HERE), source=source) is expected


def test_only_a_service_can_say_for_whom_it_calls() -> None:
    assert not allowed(STRANGER, statement("*", "arn:aws:s3:::uploads"), source=BUCKET)


def test_a_token_is_stated_by_nobody() -> None:
    skill = Permission(function="confirm", principal="alexa-appkit.amazon.com", event_source_token="skill")
    assert not allowed("alexa-appkit.amazon.com", skill)


def test_the_reason_says_which_policy_is_missing() -> None:
    def reason(principal: str) -> str | None:
        caller = AccessKey(id="K", principal=principal, functions=() if principal == USER else ("*",))
        return denial(caller, "confirm", (), Source(), account_id=HERE)

    assert reason(USER) == "no identity-based policy allows the lambda:InvokeFunction action"
    assert reason(STRANGER) == reason(S3) == "no resource-based policy allows the lambda:InvokeFunction action"


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        ("arn:aws:cognito-idp:eu-west-1:1:userpool/*", "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_a", True),
        ("arn:aws:cognito-idp:*:1:userpool/*", "arn:aws:cognito-idp:eu-west-1:1:userpool/a", True),
        ("arn:aws:cognito-idp:*:userpool/*", "arn:aws:cognito-idp:eu-west-1:1:userpool/a", False),
        ("arn:aws:logs:*:1:log-group:a:*", "arn:aws:logs:eu-west-1:1:log-group:a:b", True),
        ("arn:aws:s3:::a[b]", "arn:aws:s3:::ab", False),
        ("arn:aws:s3:::a?", "arn:aws:s3:::a", False),
        ("*", "arn:aws:s3:::a", False),
    ],
)
def test_wildcards_stay_within_a_part_of_an_arn(pattern: str, arn: str, expected: bool) -> None:
    assert arn_matches(pattern, arn) is expected


@given(st.text(), st.text())
def test_without_wildcards_only_the_same_text_matches(pattern: str, text: str) -> None:
    plain = pattern.replace("*", "").replace("?", "")
    assert matches(plain, text) is (plain == text)
    assert matches(plain, plain)
    assert matches("*", text)
