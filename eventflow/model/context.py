"""The context object that a handler may ask for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionIdentity:
    """The parts of a context that are the same for every invocation of a function."""

    function_name: str
    function_version: str
    function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str


NO_IDENTITY = Identity()


class Context:
    """What Lambda's Python runtime passes as the second argument, attribute for attribute.

    ``state`` is eventflow's addition: whatever the app's lifespan yielded.
    Source: Lambda guide: python-context.
    """

    __slots__ = (
        "_clock",
        "_deadline",
        "_function",
        "aws_request_id",
        "client_context",
        "identity",
        "invoked_function_arn",
        "state",
        "tenant_id",
    )

    def __init__(
        self,
        aws_request_id: str,
        function: FunctionIdentity,
        deadline: float,
        clock: Callable[[], float],
        state: Any = None,
        client_context: ClientContext | None = None,
        invoked_function_arn: str | None = None,
        tenant_id: str | None = None,
    ) -> None:
        """``deadline`` is in the seconds of ``clock``, which is monotonic."""
        self.aws_request_id = aws_request_id
        self._function = function
        self._deadline = deadline
        self._clock = clock
        self.state = state
        self.client_context = client_context
        self.identity = NO_IDENTITY
        self.invoked_function_arn = invoked_function_arn or function.function_arn
        self.tenant_id = tenant_id

    @property
    def function_name(self) -> str:
        return self._function.function_name

    @property
    def function_version(self) -> str:
        return self._function.function_version

    @property
    def memory_limit_in_mb(self) -> str:
        """A string, as in Lambda: ``"128"``."""
        return self._function.memory_limit_in_mb

    @property
    def log_group_name(self) -> str:
        return self._function.log_group_name

    @property
    def log_stream_name(self) -> str:
        return self._function.log_stream_name

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is stopped; never below 0."""
        return max(0, int((self._deadline - self._clock()) * 1000))

    def log(self, message: str) -> None:
        """Write ``message`` to the function's log."""
        _log.info("%s", message)

    def w3c(self) -> Mapping[str, Any]:
        """The trace context that the caller sent: ``traceparent``, ``tracestate``, ``baggage``."""
        return (self.client_context and self.client_context.w3c) or {}

    def __repr__(self) -> str:
        names = (
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
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"
