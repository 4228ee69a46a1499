"""The ``FunctionName`` parameter of the Invoke API. Source: Lambda API: Invoke, URI request parameters."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from eventflow.errors import FunctionNotFoundError, InvalidParameterValueError, InvocationError
from eventflow.model.partitions import partition_of

LATEST: Final = "$LATEST"

_MAXIMUM_LENGTH: Final = 256
_FUNCTION_PATTERN: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_FUNCTION: Final = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-[0-9]):)?"
    r"(?:(?P<account>[0-9]{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9\-_.]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9\-_]+))?"
)
_QUALIFIER_PATTERN: Final = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
_QUALIFIER: Final = re.compile(r"\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9\-_$]{1,128}")


class ParameterError(InvocationError):
    """A parameter that does not have the form the API's model gives it. Its body has no ``Type``."""

    code, status = "ValidationException", 400

    def __init__(self, parameter: str, value: str, rule: str) -> None:
        super().__init__(
            f"1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: "
            f"Member must {rule}"
        )


class UnreachableRegionError(InvocationError):
    """An ARN of another region."""

    code, status, message_key = "ResourceNotFoundException", 404, "Message"

    def __init__(self, region: str, *, here: str) -> None:
        super().__init__(f"Functions from '{region}' are not reachable in this region ('{here}')")


class FunctionReference(NamedTuple):
    """A function as a caller named it. ``qualifier`` is ``None`` if the caller gave none."""

    name: str
    qualifier: str | None


def function_reference(text: str, qualifier: str | None, *, region: str, account_id: str) -> FunctionReference:
    """Parse a name, partial or full ARN, with or without a qualifier, and the separate ``qualifier``.

    Raises ParameterError for what is neither, InvalidParameterValueError for two qualifiers that differ,
    UnreachableRegionError, and FunctionNotFoundError for another account's function or any version and alias
    but ``$LATEST``: there is only the code that runs.
    """
    found = _FUNCTION.fullmatch(text)
    if found is None:
        rule = f"satisfy regular expression pattern: {_FUNCTION_PATTERN}"
        raise ParameterError("functionName", text, rule)
    if len(text) > _MAXIMUM_LENGTH:
        raise ParameterError("functionName", text, f"have length less than or equal to {_MAXIMUM_LENGTH}")
    if qualifier is not None and not _QUALIFIER.fullmatch(qualifier):
        raise ParameterError("qualifier", qualifier, f"satisfy regular expression pattern: {_QUALIFIER_PATTERN}")
    derived = found["qualifier"]
    if derived and qualifier and derived != qualifier:
        raise InvalidParameterValueError(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    if (found["region"] or region) != region:
        raise UnreachableRegionError(found["region"], here=region)
    asked = derived or qualifier
    account = found["account"] or account_id
    if account != account_id or asked not in (None, LATEST):
        place = f"arn:{partition_of(region)}:lambda:{region}:{account}"
        raise FunctionNotFoundError(f"{place}:function:{found['name']}:{asked or LATEST}")
    return FunctionReference(found["name"], asked)
