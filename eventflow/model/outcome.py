"""What became of one invocation. A closed union: the type checker finds every place that forgets a member."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


class ThrottleReason(StrEnum):
    """``TooManyRequestsException.Reason``. Source: Lambda API: Invoke."""

    FUNCTION = "ReservedFunctionConcurrentInvocationLimitExceeded"
    ACCOUNT = "ConcurrentInvocationLimitExceeded"


# These four are built once per invocation on the hot path, so they are plain slotted classes: a frozen
# dataclass costs four times as much to construct. Nobody assigns to them.


@dataclass(slots=True)
class Succeeded:
    """The handler returned ``value``."""

    value: Any

    @property
    def ok(self) -> bool:
        """Whether the handler returned. Every outcome has it."""
        return True


@dataclass(slots=True)
class FunctionFailed:
    """The handler raised, exited, or returned what cannot be sent. Counts as a function error.

    ``platform`` errors are written by Lambda itself, not by the function's runtime: their body has neither
    ``stackTrace`` nor ``requestId`` (Lambda guide: invocation-sync, platform errors).
    """

    error_type: str
    error_message: str
    stack_trace: list[str] = field(default_factory=list)
    request_id: str = ""
    platform: bool = False
    exception: BaseException | None = None

    @property
    def ok(self) -> bool:
        return False

    def body(self) -> dict[str, Any]:
        """The error object that callers and destinations get, keys in Lambda's order."""
        if self.platform:
            return {"errorType": self.error_type, "errorMessage": self.error_message}
        return {
            "errorMessage": self.error_message,
            "errorType": self.error_type,
            "requestId": self.request_id,
            "stackTrace": self.stack_trace,
        }


@dataclass(slots=True)
class TimedOut:
    """The handler was stopped at its timeout. Counts as a function error."""

    timeout_seconds: float
    request_id: str

    @property
    def ok(self) -> bool:
        return False

    def body(self) -> dict[str, Any]:
        """The error object that callers and destinations get."""
        message = f"RequestId: {self.request_id} Error: Task timed out after {self.timeout_seconds:.2f} seconds"
        return {"errorType": "Sandbox.Timedout", "errorMessage": message}


@dataclass(slots=True)
class Throttled:
    """No permit was free, so the handler did not run. Not a function error: no attempt was used."""

    reason: ThrottleReason

    @property
    def ok(self) -> bool:
        return False


Outcome: TypeAlias = Succeeded | FunctionFailed | TimedOut | Throttled
FunctionError: TypeAlias = FunctionFailed | TimedOut
