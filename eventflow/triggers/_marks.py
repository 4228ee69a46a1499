"""How a decorator leaves its mark: the function itself stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isclass, isfunction
from typing import TYPE_CHECKING, Any, TypeVar

from eventflow.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from eventflow.model.documentation import Documentation
    from eventflow.model.function import FunctionSettings
    from eventflow.model.trigger import Trigger

_ATTRIBUTE = "__eventflow_marks__"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Marks:
    """What the decorators on one function said. ``triggers`` are in source order, top to bottom."""

    settings: FunctionSettings | None = None
    triggers: list[Trigger] = field(default_factory=list)
    documentation: Documentation | None = None


def marks_of(function: object) -> Marks | None:
    """The marks on a function, ``None`` if it has none."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Marks) else None


def mark_with_trigger(trigger: Trigger) -> Callable[[F], F]:
    """A decorator that adds ``trigger`` to a function and returns the function.

    Raises ConfigurationError for a decorator without its parentheses: it took the function for a name.
    """
    name: object = trigger.name
    if isfunction(name):
        decorator = trigger.decorator.partition("(")[0]
        message = f"{decorator} needs parentheses, and in them what it is about"
        where = f"{name.__module__}.{name.__qualname__}"
        raise ConfigurationError([Problem(where=where, message=message, hint=f"write {decorator}(...)")])

    def mark(function: F) -> F:
        # Decorators run from the bottom up; users read them from the top down.
        _marks_for(function, trigger.decorator).triggers.insert(0, trigger)
        return function

    return mark


def mark_with_settings(settings: FunctionSettings) -> Callable[[F], F]:
    """A decorator that sets a function's settings and returns the function.

    Raises ConfigurationError if the function has settings already.
    """

    def mark(function: F) -> F:
        marks = _marks_for(function, "@function")
        if marks.settings is not None:
            where = f"{function.__module__}.{function.__qualname__}"
            raise ConfigurationError([Problem(where=where, message="has two @function decorators; keep one")])
        marks.settings = settings
        return function

    return mark


def mark_with_documentation(documentation: Documentation) -> Callable[[F], F]:
    """A decorator that says what a function does and returns the function.

    Raises ConfigurationError if that was said already.
    """

    def mark(function: F) -> F:
        marks = _marks_for(function, "@documented")
        if marks.documentation is not None:
            where = f"{function.__module__}.{function.__qualname__}"
            raise ConfigurationError([Problem(where=where, message="has two @documented decorators; keep one")])
        marks.documentation = documentation
        return function

    return mark


def _marks_for(function: Callable[..., Any], decorator: str) -> Marks:
    if not callable(function) or isclass(function) or not hasattr(function, "__qualname__"):
        problem = Problem(
            where=decorator,
            message=f"decorates {function!r}, which is not a function",
            hint="use it on def or async def",
        )
        raise ConfigurationError([problem])
    marks = marks_of(function)
    if marks is None:
        marks = Marks()
        setattr(function, _ATTRIBUTE, marks)
    return marks
