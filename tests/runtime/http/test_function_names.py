from __future__ import annotations

import pytest

from eventflow.errors import FunctionNotFoundError, InvalidParameterValueError
from eventflow.runtime.http.function_names import (
    FunctionReference,
    ParameterError,
    UnreachableRegionError,
    function_reference,
)

REGION, ACCOUNT = "us-east-1", "000000000000"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:resize"


def parse(text: str, qualifier: str | None = None) -> FunctionReference:
    return function_reference(text, qualifier, region=REGION, account_id=ACCOUNT)


@pytest.mark.parametrize("text", ["resize", f"{ACCOUNT}:function:resize", "function:resize", ARN])
def test_names_and_arns_mean_the_function(text: str) -> None:
    assert parse(text) == FunctionReference("resize", None)
    assert parse(f"{text}:$LATEST") == FunctionReference("resize", "$LATEST")
    assert parse(text, "$LATEST") == FunctionReference("resize", "$LATEST")
    assert parse(f"{text}:$LATEST", "$LATEST") == FunctionReference("resize", "$LATEST")


@pytest.mark.parametrize("qualifier", ["3", "prod", "$LATEST.PUBLISHED"])
def test_there_are_no_versions_and_aliases(qualifier: str) -> None:
    for reference in ((f"resize:{qualifier}", None), ("resize", qualifier)):
        with pytest.raises(FunctionNotFoundError) as raised:
            parse(*reference)
        assert str(raised.value) == f"Function not found: {ARN}:{qualifier}"


def test_what_is_not_found_is_named_in_its_own_partition() -> None:
    with pytest.raises(FunctionNotFoundError, match="arn:aws-us-gov:lambda:us-gov-west-1:") as raised:
        function_reference("resize:3", None, region="us-gov-west-1", account_id=ACCOUNT)
    assert str(raised.value).endswith(":resize:3")


def test_two_different_qualifiers_contradict_each_other() -> None:
    with pytest.raises(InvalidParameterValueError) as raised:
        parse("resize:1", "2")
    assert str(raised.value) == "The derived qualifier from the function name does not match the specified qualifier."


def test_another_region_is_out_of_reach() -> None:
    with pytest.raises(UnreachableRegionError) as raised:
        parse(ARN.replace(REGION, "eu-west-1"))
    assert str(raised.value) == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"


def test_another_accounts_function_is_not_here() -> None:
    with pytest.raises(FunctionNotFoundError, match="111111111111:function:resize"):
        parse("111111111111:function:resize")


@pytest.mark.parametrize(
    "text", ["", "a b", "a/b", "a:b:c:d", "résumé", "resize:", "resize\n", "arn:aws:sqs:us-east-1:x"]
)
def test_what_is_no_function_name_is_refused_with_the_pattern(text: str) -> None:
    with pytest.raises(ParameterError) as raised:
        parse(text)
    assert str(raised.value).startswith(f"1 validation error detected: Value '{text}' at 'functionName' failed")
    assert "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?" in str(raised.value)


def test_a_name_of_more_than_256_characters_is_refused() -> None:
    with pytest.raises(ParameterError, match="Member must have length less than or equal to 256"):
        parse("x" * 257)


@pytest.mark.parametrize("qualifier", ["", "a b", "x" * 129])
def test_what_is_no_qualifier_is_refused(qualifier: str) -> None:
    with pytest.raises(ParameterError, match="at 'qualifier'"):
        parse("resize", qualifier)
