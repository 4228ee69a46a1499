"""Reads the user's own data out of an event."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeAlias, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from eventflow.errors import EventValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

UserData: TypeAlias = "str | bytes | dict[str, Any] | list[Any] | None"
"""The user's own data inside an event: text or bytes still to be parsed, or a JSON value already decoded."""


def parse(data: UserData) -> Any:
    """JSON parsed; what is not JSON as text; what is not text either as bytes."""
    if not isinstance(data, str | bytes):
        return data
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError:
        return data if isinstance(data, str) else _text_or_bytes(data)


def validation_error(of: str, exc: ValidationError) -> EventValidationError:
    """The error of ours for one of pydantic's. Values stay out of it, as they would not if it were its cause: they
    are the user's, may be secret, and errors are logged."""
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    return EventValidationError(of, [(".".join(map(str, error["loc"])), error["msg"]) for error in errors])


class PayloadReader:
    """Reads user data as one type: text and bytes are JSON, unless the type asks for the text or bytes itself.

    ``of`` names the data in the EventValidationError that is raised if the data does not fit the type.
    """

    __slots__ = ("_of", "_validate_json", "_validate_value", "_verbatim")

    def __init__(self, payload_type: Any, *, of: str) -> None:
        adapter = TypeAdapter[Any](payload_type)
        self._of = of
        self._verbatim = _verbatim_type(payload_type)
        self._validate_json = adapter.validator.validate_json
        self._validate_value = adapter.validator.validate_python

    def __call__(self, data: UserData) -> Any:
        try:
            if not isinstance(data, str | bytes):
                return self._validate_value(data)
            return self._validate_json(data) if self._verbatim is None else self._verbatim(data)
        except ValidationError as exc:
            raise validation_error(self._of, exc) from None
        except UnicodeDecodeError as exc:
            raise EventValidationError(self._of, [("", f"is not UTF-8 text: {exc.reason}")]) from exc


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode()


def _bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def _text_or_bytes(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _verbatim_type(payload_type: Any) -> Callable[[str | bytes], Any] | None:
    """How to hand out undecoded data, if the type is (optionally) ``str`` or ``bytes``, or anything at all."""
    members = [payload_type]
    if get_origin(payload_type) in (Union, UnionType):
        members = [member for member in get_args(payload_type) if member is not NoneType]
    match members:
        case [member] if member is str:
            return _text
        case [member] if member is bytes:
            return _bytes
        case [member] if member is Any:
            return parse
        case _:
            return None
