"""What handlers return, by what their annotations say of it."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Union

from pydantic import BaseModel, RootModel
from typing_extensions import is_typeddict

from eventflow.model.http import FunctionUrl, HttpApiRoute
from eventflow.model.http_prelude import HttpPrelude
from eventflow.runtime.http.answers import BODYLESS

if TYPE_CHECKING:
    from eventflow.plan.plan import RoutePlan
    from eventflow.runtime.openapi.schemas import Schemas

JSON_TYPE: Final = "application/json"
ANY_TYPE: Final = "*/*"
_STATUS: Final = "statusCode"
_UNKNOWN: Final = object()

Content = dict[str, dict[str, Any]]


class Results(NamedTuple):
    """The content of each status that a handler returns. One that ``may_be_anything`` returns others as well, with
    whatever content."""

    by_status: dict[int, Content]
    may_be_anything: bool = False


def results_of(route: RoutePlan, schemas: Schemas) -> Results:
    """What the handler of a route returns."""
    function = route.endpoint.function
    returned = typing.get_type_hints(function.handler, include_extras=True).get("return", _UNKNOWN)
    documented = dict(function.documentation.responses) if function.documentation else {}
    if route.endpoint.is_stream:
        stated = None if _begins_as_it_likes(returned) else {200: _octets()}
    else:
        stated = _value(returned, schemas) if _takes_plain_values(route) else None
    if stated is None and not documented:
        return Results({}, may_be_anything=True)
    by_status = dict(stated or {})
    for status, body in documented.items():
        by_status[status] = {} if status in BODYLESS else _body(body, schemas)
    return Results(by_status)


def _takes_plain_values(route: RoutePlan) -> bool:
    """Whether a value that is no response is the body of one."""
    source = route.source
    return isinstance(source, FunctionUrl) or (
        isinstance(source, HttpApiRoute) and source.payload_format_version == "2.0"
    )


def _value(annotation: Any, schemas: Schemas) -> dict[int, Content] | None:
    """``None`` if it may be a response of its own, with its own status."""
    if _may_be_response(annotation):
        return None
    if str in _alternatives(annotation):
        return {200: {JSON_TYPE: {}}}  # text is sent as it is
    schema = schemas.of(annotation, "serialization")
    return None if schema is None else {200: {JSON_TYPE: {"schema": schema}}}


def _body(annotation: Any, schemas: Schemas) -> Content:
    if annotation is None:
        return {}
    if annotation in (str, bytes):
        return {ANY_TYPE: {}}
    schema = schemas.of(annotation, "serialization")
    return {ANY_TYPE: {}} if schema is None else {JSON_TYPE: {"schema": schema}}


def _octets() -> Content:
    return {"application/octet-stream": {}}


def _begins_as_it_likes(annotation: Any) -> bool:
    """Whether a generator may begin with a prelude."""
    yielded = typing.get_args(annotation)[:1] if annotation is not _UNKNOWN else ()
    pieces = _alternatives(yielded[0]) if yielded else ()
    return not pieces or any(piece is Any or piece is object or piece is HttpPrelude for piece in pieces)


def _may_be_response(annotation: Any) -> bool:
    return any(map(_has_status, _alternatives(annotation)))


def _has_status(annotation: Any) -> bool:
    """Whether a value of this type may be an object with ``statusCode``. Bytes are JSON that is looked into."""
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        *_, values = typing.get_args(annotation)
        return any(item in (Any, object) for item in _alternatives(values))
    if origin is not None and not isinstance(origin, type):
        return False  # Literal and the like
    kind = origin or annotation
    if not isinstance(kind, type) or kind in (object, bytes):
        return True
    if issubclass(kind, RootModel):
        return _may_be_response(kind.model_fields["root"].annotation)
    if issubclass(kind, BaseModel):
        fields = kind.model_fields.items()
        return any(_STATUS in (name, field.alias, field.serialization_alias) for name, field in fields)
    if dataclasses.is_dataclass(kind):
        return any(field.name == _STATUS for field in dataclasses.fields(kind))
    if issubclass(kind, Mapping):  # a typed dictionary, or one of anything
        return _STATUS in kind.__annotations__ if is_typeddict(kind) else True
    return False


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, without what is said of them."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return tuple(item for member in typing.get_args(annotation) for item in _alternatives(member))
    return (annotation,)
