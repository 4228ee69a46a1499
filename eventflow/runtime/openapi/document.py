"""The document. Source: OpenAPI Specification 3.1."""

from __future__ import annotations

import inspect
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

from pydantic import Field

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.documentation import Documentation
from eventflow.model.http import FunctionUrl, LoadBalancerRule
from eventflow.runtime.http.flavours import flavour_of
from eventflow.runtime.http.router import refusing
from eventflow.runtime.openapi.answers import OwnAnswers
from eventflow.runtime.openapi.results import ANY_TYPE, JSON_TYPE, results_of
from eventflow.runtime.openapi.schemas import Schemas
from eventflow.runtime.openapi.security import SecuritySchemes
from eventflow.runtime.openapi.ways import operations_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventflow.model.function import FunctionDefinition
    from eventflow.plan.endpoint import Input
    from eventflow.plan.plan import Plan, RoutePlan
    from eventflow.runtime.openapi.schemas import Schema
    from eventflow.runtime.openapi.ways import Operation

VERSION: Final = "3.1.0"

_NOTHING_SAID: Final = Documentation()


class OpenApi(NamedTuple):
    """A document, and what of the app has no place in it."""

    document: dict[str, Any]
    left_out: list[str]


def openapi_of(
    plan: Plan,
    *,
    title: str | None = None,
    version: str | None = None,
    servers: Sequence[str] = (),
    function_url: str | None = None,
) -> OpenApi:
    """The document of what an app answers on one host: that of the function URL of the function with this name, or all
    but function URLs, unless there is nothing else but one.

    Raises ConfigurationError if there is no such function URL.
    """
    routes = _routes(plan, function_url)
    found = operations_of([route for route in routes if not _documentation(route).hidden])
    writer = _Writer(plan, [item for operations in found.by_path.values() for item in operations])
    document: dict[str, Any] = {
        "openapi": VERSION,
        "info": {"title": title or plan.app_name, "version": version or plan.app_version},
        "paths": {
            template: {item.method.lower(): writer.operation(item) for item in operations}
            for template, operations in found.by_path.items()
        },
    }
    if servers:
        document["servers"] = [{"url": url} for url in servers]
    if components := writer.components():
        document["components"] = components
    return OpenApi(document, found.left_out)


def _routes(plan: Plan, function_url: str | None) -> list[RoutePlan]:
    urls = {route.endpoint.function.name: route for route in plan.routes if isinstance(route.source, FunctionUrl)}
    if function_url is not None:
        if function_url not in urls:
            hint = f"known: {', '.join(urls)}" if urls else "mark one with @on_function_url()"
            message = f"there is no function URL of {function_url!r}"
            raise ConfigurationError([Problem(where=plan.app_name, message=message, hint=hint)])
        return [urls[function_url]]
    others = [route for route in plan.routes if not isinstance(route.source, FunctionUrl)]
    return others if others or len(urls) != 1 else list(urls.values())


def _documentation(route: RoutePlan) -> Documentation:
    return route.endpoint.function.documentation or _NOTHING_SAID


class _Writer:
    """Writes operations, and collects what they share."""

    def __init__(self, plan: Plan, operations: Sequence[Operation]) -> None:
        self._plan = plan
        self._schemas = Schemas()
        self._answers = OwnAnswers(refusing([route.source for route in plan.routes]))
        self._security = SecuritySchemes()
        names = [operation.way.route.endpoint.function.name for operation in operations]
        self._several = {name for name in names if names.count(name) > 1}
        self._ids: set[str] = set()

    def components(self) -> dict[str, Any]:
        """What the operations refer to; complete once all of them are written."""
        parts = {
            "schemas": self._schemas.components(),
            "responses": self._answers.components,
            "securitySchemes": self._security.components,
        }
        return {name: part for name, part in parts.items() if part}

    def operation(self, operation: Operation) -> dict[str, Any]:
        """One Operation Object."""
        route = operation.way.route
        function = route.endpoint.function
        written: dict[str, Any] = {"operationId": self._id(function.name, operation.method)}
        written |= _texts(function)
        parameters = [*self._path_parameters(operation), *self._parameters(route), *_conditions(route)]
        if parameters:
            written["parameters"] = parameters
        for item in route.endpoint.inputs:
            if item.place == "payload":
                written["requestBody"] = self._request_body(item)
        written["responses"] = self._responses(operation)
        if security := self._security.requirements(route):
            written["security"] = security
        return written

    def _id(self, name: str, method: str) -> str:
        base = candidate = f"{name}_{method.lower()}" if name in self._several else name
        number = 1
        while candidate in self._ids:
            number += 1
            candidate = f"{base}_{number}"
        self._ids.add(candidate)
        return candidate

    def _path_parameters(self, operation: Operation) -> Iterator[dict[str, Any]]:
        taken = {item.name: item.annotation for item in operation.way.route.endpoint.inputs if item.place == "path"}
        for shown, own in zip(operation.names, operation.way.names, strict=True):
            greedy = own.endswith("+")
            annotation = _without_none(taken.get(own.removesuffix("+"), str))
            parameter: dict[str, Any] = {"name": shown, "in": "path", "required": True}
            if isinstance(operation.way.route.source, LoadBalancerRule):
                schema: Schema = {"type": "string"} if greedy else {"type": "string", "minLength": 1, "maxLength": 1}
            else:
                schema = {"type": "string", "minLength": 1} if annotation is str else self._schema(annotation)
            if greedy:
                parameter["description"] = "May have slashes."
            yield {**parameter, "schema": schema}

    def _schema(self, annotation: Any) -> Schema:
        schema = self._schemas.of(annotation, "validation")
        return {} if schema is None else schema

    def _parameters(self, route: RoutePlan) -> Iterator[dict[str, Any]]:
        for item in route.endpoint.inputs:
            if item.place in ("query", "header"):
                shown = _without_none(item.annotation)
                if not item.is_required and item.default is not None:
                    shown = Annotated[shown, Field(default=item.default)]
                yield {"name": item.name, "in": item.place, "required": item.is_required, "schema": self._schema(shown)}

    def _request_body(self, item: Input) -> dict[str, Any]:
        if item.annotation is str:
            return {"content": {"text/plain": {"schema": {"type": "string"}}}}
        if item.annotation is bytes:
            return {"content": {"application/octet-stream": {}}}
        schema = self._schema(item.annotation)
        return {"required": True, "content": {JSON_TYPE: {"schema": schema}}}

    def _responses(self, operation: Operation) -> dict[str, Any]:
        route = operation.way.route
        flavour = flavour_of(route, self._plan.environment)
        own = self._answers.of(route, flavour, has_parameters=bool(operation.names))
        results = results_of(route, self._schemas)
        responses: dict[int, dict[str, Any]] = {}
        for status, content in results.by_status.items():
            responses[status] = {"description": "The function's answer."}
            if content:
                responses[status]["content"] = content
        for status, bodies in own.items():
            if status in results.by_status:
                responses[status] = self._answers.merged(status, bodies, results.by_status[status])
            else:
                alone = not results.may_be_anything
                responses[status] = self._answers.reference(flavour, status, bodies, alone=alone)
        written: dict[str, Any] = {str(status): responses[status] for status in sorted(responses)}
        if results.may_be_anything:
            written["default"] = {"description": "The function's answer.", "content": {ANY_TYPE: {}}}
        if operation.method == "HEAD":
            return {status: {"description": self._description(response)} for status, response in written.items()}
        return written

    def _description(self, response: dict[str, Any]) -> str:
        reference = response.get("$ref")
        found = self._answers.components[reference.rpartition("/")[2]] if reference else response
        text: str = found["description"]
        return text


def _without_none(annotation: Any) -> Any:
    """What can be sent: in a path, a query and headers there is no null."""
    if get_origin(annotation) is Annotated:
        inner, *said = get_args(annotation)
        return Annotated[_without_none(inner), *said]
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(item for item in get_args(annotation) if item is not NoneType)]  # noqa: UP007 (a tuple)
    return annotation


def _texts(function: FunctionDefinition) -> dict[str, Any]:
    """What people read: the docstring's first paragraph is the summary, what follows the description."""
    said = function.documentation or _NOTHING_SAID
    first, _, rest = (inspect.getdoc(function.handler) or "").partition("\n\n")
    summary = said.summary or " ".join(first.split())
    description = said.description or rest.strip()
    deprecated = hasattr(function.handler, "__deprecated__") if said.deprecated is None else said.deprecated
    texts = {
        "summary": summary,
        "description": description,
        "tags": list(said.tags),
        "deprecated": deprecated,
    }
    return {name: value for name, value in texts.items() if value}


def _conditions(route: RoutePlan) -> Iterator[dict[str, Any]]:
    """What a load balancer's rule asks of headers and the query."""
    source = route.source
    if not isinstance(source, LoadBalancerRule):
        return
    for name, values in source.http_header:
        yield {"name": name, "in": "header", "required": True, "schema": _one_of(values)}
    keys = {key for key, _ in source.query_string}
    if len(keys) == 1:  # of several, any one is enough, which cannot be said
        values = tuple(value for _, value in source.query_string)
        yield {"name": keys.pop(), "in": "query", "required": True, "schema": _one_of(values)}


def _one_of(patterns: Sequence[str]) -> Schema:
    """Text that one of a load balancer's patterns matches."""
    if not any(wildcard in pattern for pattern in patterns for wildcard in "*?"):
        return {"type": "string", "enum": list(patterns)}
    return {"type": "string", "description": f"One of {', '.join(patterns)}."}
