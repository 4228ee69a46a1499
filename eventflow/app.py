"""``App``: a set of marked functions. It is inert: it opens nothing, reads nothing and runs nothing."""

from __future__ import annotations

from inspect import isclass, isfunction
from types import ModuleType
from typing import TYPE_CHECKING, Any

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.function import FunctionDefinition, FunctionSettings
from eventflow.plan.build import build_plan
from eventflow.plan.environment import Environment, load_environment
from eventflow.triggers._marks import marks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from eventflow.model.cors import Cors
    from eventflow.model.websocket import WebSocketApi
    from eventflow.plan.plan import Lifespan, Middleware, Plan


class App:
    """Marked functions that run together.

    ``functions`` may name functions and modules (all marked functions of one). ``lifespan`` is a function
    without parameters that returns an async context manager; it is entered before the first event and left
    after the last, and what it yields is ``context.state``. ``middleware`` wraps every invocation, the first
    one outermost. ``cors`` is that of the HTTP API, unless the environment has one; ``websocket_api`` is what holds for
    all routes of the WebSocket API. ``version`` is shown in the HTTP API's OpenAPI document.
    """

    def __init__(
        self,
        functions: Iterable[Callable[..., Any] | ModuleType] = (),
        *,
        name: str = "app",
        lifespan: Lifespan | None = None,
        middleware: Iterable[Middleware] = (),
        cors: Cors | None = None,
        websocket_api: WebSocketApi | None = None,
        version: str = "0.1.0",
    ) -> None:
        self.name = name
        self.version = version
        self.lifespan = lifespan
        self.middleware = tuple(middleware)
        self.cors = cors
        self.websocket_api = websocket_api
        self._handlers: dict[int, Callable[..., Any]] = {}
        for item in functions:
            self.include(item)

    @classmethod
    def from_module(cls, module: ModuleType) -> App:
        """The app of the marked functions in a module."""
        return cls([module], name=module.__name__)

    def include(self, functions: Callable[..., Any] | ModuleType) -> App:
        """Add one marked function, or every marked function of a module; returns the app.

        A function that is there already is not added again; authorizers that its routes name come along.
        Raises ConfigurationError for a function without a decorator, a module without marked functions and one with
        marked methods, which nothing would ever call.
        """
        if isinstance(functions, ModuleType):
            found = list(_marked_functions(functions))
            if misplaced := list(_marked_methods(functions)):
                raise ConfigurationError(misplaced)
        else:
            found = [functions]
        if not found or any(marks_of(handler) is None for handler in found):
            name = getattr(functions, "__qualname__", getattr(functions, "__name__", repr(functions)))
            hint = "mark functions with @function or one of the @on_... decorators"
            raise ConfigurationError([Problem(where=name, message="has no eventflow decorator", hint=hint)])
        for handler in found:
            self._handlers.setdefault(id(handler), handler)
            for needed in _authorizers(handler):
                self._handlers.setdefault(id(needed), needed)
        return self

    @property
    def functions(self) -> tuple[FunctionDefinition, ...]:
        """The app's functions, in the order they were included."""
        return tuple(_definition(handler) for handler in self._handlers.values())

    def freeze(self, environment: Environment | str | None = None) -> Plan:
        """Validate everything at once for an environment (a name is looked up in ``eventflow.toml``).

        Raises ConfigurationError listing every mistake with function, trigger, field, and what would be right.
        """
        if not isinstance(environment, Environment):
            environment = load_environment(environment)
        return build_plan(
            self.functions,
            environment,
            app_name=self.name,
            app_version=self.version,
            lifespan=self.lifespan,
            middleware=self.middleware,
            cors=self.cors,
            websocket_api=self.websocket_api,
        )


def _marked_functions(module: ModuleType) -> Iterator[Callable[..., Any]]:
    for value in vars(module).values():
        if callable(value) and marks_of(value) is not None:
            yield value


def _authorizers(handler: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The authorizers that a function's routes name, whichever module they are in."""
    marks = marks_of(handler)
    for trigger in marks.triggers if marks else ():
        authorizer: Any = getattr(trigger.http or trigger.websocket, "authorizer", None)
        if marks_of(authorizer) is not None:
            yield authorizer


def _marked_methods(module: ModuleType) -> Iterator[Problem]:
    for value in vars(module).values():
        if isclass(value) and value.__module__ == module.__name__:
            for member in vars(value).values():
                method = member.__func__ if isinstance(member, classmethod | staticmethod) else member
                if isfunction(method) and marks_of(method) is not None:
                    where = f"{method.__module__}.{method.__qualname__}"
                    hint = "define it at the top level of its module"
                    yield Problem(where=where, message="has an eventflow decorator, but is in a class", hint=hint)


def _definition(handler: Callable[..., Any]) -> FunctionDefinition:
    marks = marks_of(handler)
    if marks is None:  # include() refused it
        raise AssertionError(handler)
    settings = marks.settings or FunctionSettings()
    return FunctionDefinition(
        name=settings.name or handler.__name__,
        handler=handler,
        settings=settings,
        triggers=tuple(marks.triggers),
        documentation=marks.documentation,
    )
