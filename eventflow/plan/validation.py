"""Turning what arrived into what a parameter asks for, with one kind of error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from eventflow.events._payload import PayloadReader, validation_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

M = TypeVar("M", bound=BaseModel)


def value_validator(annotation: Any, *, of: str) -> Callable[[Any], Any]:
    """A function that turns a decoded value into ``annotation``; raises EventValidationError, which names ``of``.

    Raises TypeError if pydantic cannot validate such a type.
    """
    try:
        validate_python = TypeAdapter[Any](annotation).validator.validate_python
    except (PydanticSchemaGenerationError, PydanticUserError) as exc:
        raise TypeError(f"{annotation!r} is not a type that pydantic can validate") from exc

    def validate(value: Any) -> Any:
        try:
            return validate_python(value)
        except ValidationError as exc:
            raise validation_error(of, exc) from None

    return validate


def model_validator(model: type[M], *, of: str) -> Callable[[Mapping[str, Any]], M]:
    """A function that turns a wire event into ``model``; raises EventValidationError, which names ``of``."""

    def validate(wire: Mapping[str, Any]) -> M:
        try:
            # What model_validate does once it has looked at its options. Built on first use, so not taken outside.
            validated: M = model.__pydantic_validator__.validate_python(wire)
            return validated
        except ValidationError as exc:
            raise validation_error(of, exc) from None

    return validate


def payload_getter(annotation: Any, take: Callable[[Any], Any], *, of: str) -> Callable[[Any], Any]:
    """A getter for the user's data as ``annotation``; ``take`` finds it, as text or decoded, in a call's subject.

    Raises TypeError if pydantic cannot validate such a type.
    """
    read = _payload_reader(annotation, of=of)
    if annotation is bytes:  # most often they are what was found
        return lambda subject: data if type(data := take(subject)) is bytes else read(data)
    return lambda subject: read(take(subject))


def payloads_getter(annotation: Any, take: Callable[[Any], Iterable[Any]], *, of: str) -> Callable[[Any], list[Any]]:
    """The same for a subject with many, of which ``take`` finds each."""
    read = _payload_reader(annotation, of=of)
    if annotation is bytes:
        return lambda subject: [data if type(data) is bytes else read(data) for data in take(subject)]
    return lambda subject: [read(data) for data in take(subject)]


def _payload_reader(annotation: Any, *, of: str) -> PayloadReader:
    """Raises TypeError if pydantic cannot validate such a type."""
    try:
        return PayloadReader(annotation, of=of)
    except (PydanticSchemaGenerationError, PydanticUserError) as exc:
        raise TypeError(f"{annotation!r} is not a type that pydantic can validate") from exc
