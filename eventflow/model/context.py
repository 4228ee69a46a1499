"""The context object that a handler may ask for."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger("eventflow.function")


@dataclass(frozen=True, slots=True)
class Identity:
    """``context.identity``: always present, empty unless the caller signed in through Cognito."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """``context.client_context.client``: the mobile app that called."""

    installation_id: str | None = None
    app_title: str | None = None
    app_version_name: str | None = None
    app_version_code: str | None = None
    app_package_name: str | None = None


@dataclass(frozen=True, slots=True)
class ClientContext:
    """``context.client_context``: what the caller of a synchronous invocation sent along."""

    custom: Mapping[str, Any]
    env: Mapping[str, Any]
    client: Client | None = None
    w3c: Mapping[str, Any] | None = None


class Caller(NamedTuple):
    """What a caller of the Invoke API said of itself and of the function it meant; inside Lambda, what Lambda says.

    ``deadline``, in the seconds of the function's clock, is an earlier one than the function's own. ``log`` is where
    ``context.log`` writes instead of the function's log.
    """

    client_context: ClientContext | None = None
    invoked_function_arn: str | None = None
    tenant_id: str | None = None
    identity: Identity = Identity()
    deadline: float = math.inf
    log: Callable[[str], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionEnvironment:
    """The parts of a context that are the same for every invocation of a function in one run.

    ``clock`` is monotonic, in seconds. ``state`` is whatever the app's lifespan yielded.
    """

    function_name: str
    function_version: str = "$LATEST"
    function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    clock: Callable[[], float]
    next_request_id: Callable[[], str]
    state: Any = None


_NO_CALLER = Caller()


class Context:
    """What Lambda's Python runtime passes as the second argument, attribute for attribute.

    ``state`` is eventflow's addition. One is built per invocation, so it holds four things and derives the
    rest when asked; even the request id is only made when somebody reads it.
    Source: Lambda guide: python-context.
    """

    __slots__ = ("_caller", "_deadline", "_environment", "_request_id")

    def __init__(
        self,
        environment: FunctionEnvironment,
        deadline: float,
        request_id: str | None = None,
        caller: Caller | None = None,
    ) -> None:
        """``deadline`` is in the seconds of ``environment.clock``."""
        self._environment = environment
        self._deadline = deadline
        self._request_id = request_id
        self._caller = caller

    @property
    def aws_request_id(self) -> str:
        """Unique per event; the same on every attempt at an asynchronous event."""
        if self._request_id is None:
            self._request_id = self._environment.next_request_id()
        return self._request_id

    @property
    def function_name(self) -> str:
        return self._environment.function_name

    @property
    def function_version(self) -> str:
        return self._environment.function_version

    @property
    def invoked_function_arn(self) -> str:
        """The ARN the caller used; qualified if the caller's was."""
        return (self._caller or _NO_CALLER).invoked_function_arn or self._environment.function_arn

    @property
    def memory_limit_in_mb(self) -> str:
        """A string, as in Lambda: ``"128"``."""
        return self._environment.memory_limit_in_mb

    @property
    def log_group_name(self) -> str:
        return self._environment.log_group_name

    @property
    def log_stream_name(self) -> str:
        return self._environment.log_stream_name

    @property
    def identity(self) -> Identity:
        return (self._caller or _NO_CALLER).identity

    @property
    def client_context(self) -> ClientContext | None:
        """What the caller of a synchronous invocation sent along, if anything."""
        return (self._caller or _NO_CALLER).client_context

    @property
    def tenant_id(self) -> str | None:
        return (self._caller or _NO_CALLER).tenant_id

    @property
    def state(self) -> Any:
        """Whatever the app's lifespan yielded."""
        return self._environment.state

    @property
    def caller_deadline(self) -> float:
        """When its caller stops the invocation, whatever the function's own timeout, in the seconds of the
        environment's clock."""
        return (self._caller or _NO_CALLER).deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is stopped; never below 0."""
        deadline = min(self._deadline, self.caller_deadline)
        return max(0, int((deadline - self._environment.clock()) * 1000))

    def log(self, message: str) -> None:
        """Write ``message`` to the function's log."""
        log = (self._caller or _NO_CALLER).log
        if log is None:
            _log.info("%s", message)
        else:
            log(message)

    def w3c(self) -> Mapping[str, Any]:
        """The trace context that the caller sent: ``traceparent``, ``tracestate``, ``baggage``."""
        client_context = self.client_context
        return (client_context and client_context.w3c) or {}

    def __repr__(self) -> str:
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in _SHOWN)}])"


_SHOWN = (
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "function_name",
    "memory_limit_in_mb",
    "function_version",
    "invoked_function_arn",
    "client_context",
    "identity",
    "tenant_id",
)
