"""Endpoints: what calling a handler takes, worked out once from its signature.

A handler's annotations decide what it receives. All of that is settled when the app is frozen, so an
invocation is one call of a closure, and a signature that cannot be satisfied is a ConfigurationError.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, Union

from pydantic import BaseModel

from eventflow.errors import Problem
from eventflow.events._base import EventModel
from eventflow.model.context import Context

if TYPE_CHECKING:
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.handler import Handler
    from eventflow.model.trigger import Trigger

Getter: TypeAlias = Callable[[Any], Any]
"""Takes an argument out of the subject of a call: a wire event, an HTTP request or a record."""

Place: TypeAlias = Literal["path", "query", "header", "payload", "event"]

Call: TypeAlias = Callable[[Any, Context], Any]
"""Calls the handler with the arguments it asks for; returns its result, or the awaitable of it."""


class Input(typing.NamedTuple):
    """What one parameter takes out of the subject, for whoever describes the endpoint. ``name`` is that on the wire;
    ``default`` is the parameter's, if it may be left at that."""

    place: Place
    name: str
    annotation: Any
    default: Any = inspect.Parameter.empty

    @property
    def is_required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One way into one function: its handler as one trigger calls it.

    ``subject`` of ``call`` is the wire event (a dict), a :class:`~eventflow.plan.batch_event.BatchEvent`, an
    :class:`~eventflow.plan.http_request.HttpRequest`, or, ``per_record``, one neutral record. ``source`` is the
    trigger's service, or ``"direct"``.
    """

    function: FunctionDefinition
    trigger: Trigger | None
    source: str
    call: Call
    is_async: bool
    is_stream: bool = False
    """Whether the handler is a generator, asynchronous or not."""
    per_record: bool = False
    missed: Mapping[str, Problem] = field(default_factory=dict)
    """Parameters that keep their defaults here, though they look as if some source should fill them."""
    inputs: tuple[Input, ...] = ()


class ArgumentShapes(typing.Protocol):
    """What the subject of a call can be turned into. One implementation per kind of subject."""

    offers: str
    """For messages: what a parameter may be annotated with."""
    payload_name: str
    """For messages: what the user's own data is called here."""

    def raw(self) -> Getter | None:
        """Unannotated, ``dict`` or ``Any``; ``None`` if the subject itself is passed."""

    def model(self, model: type[EventModel]) -> Getter | None:
        """One of eventflow's event models; ``None`` if the source does not give it."""

    def named(self, parameter: inspect.Parameter, annotation: Any) -> Named | None:
        """A parameter the source knows by its name or by what its annotation says of it; ``None`` if it does not.

        Raises UnsatisfiableError if it knows the name and cannot give such a type.
        """

    def payload(self, annotation: Any) -> Getter | None:
        """The user's own data as ``annotation``; ``None`` if the source has no such thing.

        Raises UnsatisfiableError if it has one at other times.
        """


_CONTEXT: Final = object()
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Compiled(typing.NamedTuple):
    """The closure that calls a handler, or the reasons why its signature cannot be satisfied.

    ``missed`` and ``inputs`` are an endpoint's.
    """

    call: Call | None
    problems: list[Problem]
    missed: Mapping[str, Problem] = types.MappingProxyType({})
    inputs: tuple[Input, ...] = ()


class Named(typing.NamedTuple):
    """A getter of one named part of a request."""

    getter: Getter
    input: Input


def is_generator(handler: Handler) -> bool:
    """Whether calling a handler runs none of its code yet."""
    return inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler)


def compile_call(handler: Handler, shapes: ArgumentShapes, *, where: str, streams: bool = False) -> Compiled:
    """What calling ``handler`` with a subject of this shape takes. Where it ``streams``, it may be a generator."""
    if is_generator(handler) and not streams:
        message = "is a generator: only function URLs with invoke_mode='RESPONSE_STREAM' and direct calls stream"
        return Compiled(None, [Problem(where=where, message=message, hint="return a value instead of yielding")])
    try:
        parameters = list(inspect.signature(handler).parameters.values())
        hints = typing.get_type_hints(handler, include_extras=True)
    except (NameError, TypeError, ValueError) as exc:
        hint = "every annotation must be resolvable where the function is defined"
        return Compiled(None, [Problem(where=where, message=f"its signature cannot be read: {exc}", hint=hint)])
    filled = _Filled(where, shapes)
    places = count()
    for parameter in parameters:
        annotation = hints.get(parameter.name, inspect.Parameter.empty)
        try:
            found = shapes.named(parameter, annotation) if parameter.kind not in _VARIABLE else None
            if found is None:
                found = _argument(parameter, annotation, shapes, place=next(places))
        except UnsatisfiableError as exc:
            filled.leave(parameter, exc)
        else:
            filled.fill(parameter, found)
    problems = filled.all_problems()
    call = None if problems else _closure(handler, filled.arguments)
    return Compiled(call, problems, filled.missed, tuple(filled.inputs))


class _Filled:
    """The parameters of a handler, with what fills each."""

    def __init__(self, where: str, shapes: ArgumentShapes) -> None:
        self._where = where
        self._shapes = shapes
        self._problems: list[Problem] = []
        self._payloads: list[str] = []
        self._left: list[tuple[inspect.Parameter, Any]] = []
        self.arguments: list[tuple[inspect.Parameter, Any]] = []
        self.missed: dict[str, Problem] = {}
        self.inputs: list[Input] = []

    def fill(self, parameter: inspect.Parameter, found: Any) -> None:
        if isinstance(found, Named):
            if found.input.place == "payload":
                self._payloads.append(repr(parameter.name))
            self.inputs.append(found.input)
            found = found.getter
        self.arguments += *self._left, (parameter, found)  # a call by place has to give what stands before, too
        self._left.clear()

    def leave(self, parameter: inspect.Parameter, reason: UnsatisfiableError) -> None:
        """Leave it at its default, which it has to have."""
        if parameter.default is inspect.Parameter.empty:
            self._problems.append(self._problem(parameter, str(reason)))
        elif reason.meant:
            self.missed[parameter.name] = self._problem(parameter, f"{reason}; it would always be its default")
        self._left.append((parameter, lambda subject: parameter.default))

    def all_problems(self) -> list[Problem]:
        if len(self._payloads) > 1:
            message = f"parameters {' and '.join(self._payloads)} both take {self._shapes.payload_name}"
            hint = "use one model with a field for each"
            return [*self._problems, Problem(where=self._where, message=message, hint=hint)]
        return self._problems

    def _problem(self, parameter: inspect.Parameter, message: str) -> Problem:
        name = f"parameter {parameter.name!r}"
        return Problem(where=self._where, field=name, message=message, hint=self._shapes.offers)


class UnsatisfiableError(Exception):
    """A parameter that this source cannot fill. ``meant`` says that it looks as if one should, default or not."""

    def __init__(self, message: str, *, meant: bool = False) -> None:
        super().__init__(message)
        self.meant = meant


def _argument(parameter: inspect.Parameter, annotation: Any, shapes: ArgumentShapes, *, place: int) -> Any:
    """What fills a parameter that the source does not know by its name; ``place`` is its place among those."""
    if parameter.kind in _VARIABLE:
        raise UnsatisfiableError("*args and **kwargs cannot be filled")
    if annotation is Context:
        return _CONTEXT
    if annotation is inspect.Parameter.empty:
        return _unannotated(parameter.name, shapes, place)
    if is_raw(annotation):
        return shapes.raw()
    models = [item for item in _alternatives(annotation) if isinstance(item, type) and issubclass(item, BaseModel)]
    for model in models:
        if issubclass(model, EventModel):
            getter = shapes.model(model)
            if getter is not None:
                return Named(getter, Input("event", parameter.name, model))
    if any(issubclass(model, EventModel) for model in models):
        raise UnsatisfiableError(f"{_name(annotation)} is not what this source gives", meant=True)
    payload = shapes.payload(annotation)
    if payload is None:
        meant = bool(models) and parameter.default is None
        raise UnsatisfiableError(f"{_name(annotation)} cannot be made from this source's events", meant=meant)
    return Named(payload, Input("payload", parameter.name, annotation))


def _unannotated(name: str, shapes: ArgumentShapes, place: int) -> Any:
    """Lambda's own two arguments, by their names or, whatever they are called, by their places."""
    if name == "context" or (place == 1 and name != "event"):
        return _CONTEXT
    if place > 1 and name != "event":
        raise UnsatisfiableError("has no annotation, and is neither the event nor the context")
    return shapes.raw()


def is_raw(annotation: Any) -> bool:
    """Whether a parameter asks for the raw event."""
    if annotation in (dict, Any, object):
        return True
    return typing.get_origin(annotation) in (dict, Mapping) and typing.get_args(annotation) in (
        (str, Any),
        (str, object),
    )


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _closure(handler: Handler, arguments: list[tuple[inspect.Parameter, Any]]) -> Call:
    """The common signatures without a loop: this is the hot path."""
    simple = all(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p, _ in arguments)
    match [found for _, found in arguments] if simple else None:
        case []:
            return lambda subject, context: handler()
        case [only] if only is _CONTEXT:
            return lambda subject, context: handler(context)
        case [None]:
            return lambda subject, context: handler(subject)
        case [first]:
            return lambda subject, context: handler(first(subject))
        case [None, second] if second is _CONTEXT:
            return handler
        case [first, second] if second is _CONTEXT and first is not _CONTEXT:
            return lambda subject, context: handler(first(subject), context)
    return _general_closure(handler, arguments)


def _general_closure(handler: Handler, arguments: list[tuple[inspect.Parameter, Any]]) -> Call:
    def value(found: Any, subject: Any, context: Context) -> Any:
        if found is _CONTEXT:
            return context
        return subject if found is None else found(subject)

    positional = [found for p, found in arguments if p.kind is p.POSITIONAL_ONLY]
    keyword = [(p.name, found) for p, found in arguments if p.kind is not p.POSITIONAL_ONLY]

    def call(subject: Any, context: Context) -> Any:
        return handler(
            *[value(found, subject, context) for found in positional],
            **{name: value(found, subject, context) for name, found in keyword},
        )

    return call
