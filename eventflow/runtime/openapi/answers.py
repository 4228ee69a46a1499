"""What clients are told without a function's doing, from the very answers that are sent."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.http import FunctionUrl, LoadBalancerRule
from eventflow.runtime.http.authorizers.refusals import refusals
from eventflow.runtime.http.flavours import HttpApi
from eventflow.runtime.openapi.results import ANY_TYPE, JSON_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eventflow.plan.plan import RoutePlan
    from eventflow.runtime.http.answers import Answer
    from eventflow.runtime.http.flavours import Flavour
    from eventflow.runtime.openapi.results import Content
    from eventflow.runtime.openapi.schemas import Schema

_REASONS: Final = {
    400: "The request does not fit what the function takes.",
    401: "The authorizer does not know who asks.",
    403: "The authorizer does not allow this, or there is no such route.",
    404: "There is no such route.",
    413: "The request is too large.",
    414: "The request's path is too long to be authorized.",
    429: "The function is busy with as many requests as it may be.",
    431: "The request's headers are too large.",
    500: "The function or its authorizer failed, or what they returned cannot be understood.",
    502: "The function failed, or what it returned is no response.",
    503: "The function takes too long, or the server is stopping.",
    504: "The function takes too long.",
}
_INVALID: Final[Schema] = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "pattern": "^Invalid "},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "Names and indices with dots; empty for the whole."},
                    "message": {"type": "string"},
                },
                "required": ["location", "message"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["message", "errors"],
    "additionalProperties": False,
}
_INVALID_EXAMPLE: Final = {
    "message": "Invalid request body",
    "errors": [{"location": "total", "message": "Field required"}],
}


class _Body(NamedTuple):
    """One body that a status may have."""

    media_type: str
    schema: Schema
    example: Any


_INVALID_BODY: Final = _Body(JSON_TYPE, _INVALID, _INVALID_EXAMPLE)


class OwnAnswers:
    """Collects the answers that operations share, as components. ``refusing`` answers what no function does."""

    def __init__(self, refusing: Flavour) -> None:
        self._refusing = refusing
        self.components: dict[str, dict[str, Any]] = {}

    def of(self, route: RoutePlan, flavour: Flavour, *, has_parameters: bool) -> dict[int, list[_Body]]:
        """What a request with this route may be told, by status."""
        answers = [*flavour.own_answers(), *refusals(route), HttpApi.gave_up]  # the last one while the server stops
        if route.endpoint.function.settings.timeout_seconds > route.source.waits_seconds:
            answers.append(flavour.gave_up)
        if _may_miss(route, has_parameters=has_parameters):
            answers.append(self._refusing.not_found)
        found: dict[int, list[_Body]] = {}
        if any(item.place != "path" or item.annotation is not str for item in route.endpoint.inputs):
            found[400] = [_INVALID_BODY]
        for answer in dict.fromkeys(answers):
            found.setdefault(answer.status, []).append(_body(answer))
        return found

    def reference(self, flavour: Flavour, status: int, bodies: Iterable[_Body], *, alone: bool) -> dict[str, str]:
        """A reference to the response, for operations whose functions never answer so if it is ``alone``."""
        response = {"description": _REASONS[status], "content": _content(bodies) if alone else _examples(bodies)}
        phrase = HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
        name = f"{type(flavour).__name__}{phrase}{'' if alone else 'OrOther'}"
        return {"$ref": f"#/components/responses/{self._add(name, response)}"}

    def merged(self, status: int, bodies: Iterable[_Body], content: Content) -> dict[str, Any]:
        """The response where the function has one of the same status."""
        own = _content(bodies)
        merged = {**own, **content}
        for media_type in own.keys() & content.keys():
            if "schema" in content[media_type]:
                merged[media_type] = {"schema": {"anyOf": [content[media_type]["schema"], own[media_type]["schema"]]}}
        return {"description": f"The function's answer, or: {_REASONS[status]}", "content": merged}

    def _add(self, name: str, response: dict[str, Any]) -> str:
        candidate, number = name, 1
        while self.components.setdefault(candidate, response) != response:
            number += 1
            candidate = f"{name}{number}"
        return candidate


def _may_miss(route: RoutePlan, *, has_parameters: bool) -> bool:
    """Whether a request may look like one of this route's without being one: with an empty path parameter, or without
    what a rule asks of it."""
    source = route.source
    if isinstance(source, LoadBalancerRule):
        return bool(source.host_header or source.http_header or source.query_string or source.source_ip)
    return has_parameters and not isinstance(source, FunctionUrl)


def _body(answer: Answer) -> _Body:
    content_type = next(value for name, value in answer.headers if name == b"content-type").decode()
    media_type = content_type.partition(";")[0]
    text = answer.body.decode()
    if media_type != JSON_TYPE:
        return _Body(media_type, {"type": "string", "const": text}, text)
    example = json.loads(text)
    schema: Schema = {
        "type": "object",
        "properties": {name: {"type": "string", "enum": [value]} for name, value in example.items()},
        "required": list(example),
        "additionalProperties": False,
    }
    return _Body(media_type, schema, example)


def _by_media_type(bodies: Iterable[_Body]) -> Iterator[tuple[str, list[_Body]]]:
    found: dict[str, list[_Body]] = {}
    for body in bodies:
        found.setdefault(body.media_type, []).append(body)
    yield from found.items()


def _content(bodies: Iterable[_Body]) -> Content:
    content: Content = {}
    for media_type, several in _by_media_type(bodies):
        schemas: list[Schema] = []
        for body in several:
            if body.schema not in schemas:
                schemas.append(body.schema)
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        content[media_type] = {"schema": schema, "example": several[0].example}
    return content


def _examples(bodies: Iterable[_Body]) -> Content:
    content: Content = {media_type: {"example": several[0].example} for media_type, several in _by_media_type(bodies)}
    return {**content, ANY_TYPE: {}}
