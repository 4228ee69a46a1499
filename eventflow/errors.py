"""Every error eventflow raises on purpose.

EventflowError
├── ConfigurationError              a declaration, environment or target that cannot work; lists every problem
│   └── TargetError                 the `module:attribute` given on the command line cannot be loaded
├── PortInUseError                  the address to serve HTTP on is taken
├── InvalidEventPatternError        an event pattern or filter that does not compile
├── InvalidScheduleExpressionError  a rate(), cron() or at() expression that does not parse
├── InvocationError                 nothing ran: what the Invoke API answers with a 4xx or 5xx status
│   ├── FunctionNotFoundError
│   ├── InvalidRequestContentError
│   ├── InvalidParameterValueError
│   ├── RequestTooLargeError
│   ├── ThrottledError
│   ├── InvocationDeniedError       the caller may not invoke the function, or manage the connection
│   ├── SignatureError              the caller is not known, or its signature is not right
│   │   ├── MissingAuthenticationTokenError
│   │   ├── IncompleteSignatureError
│   │   ├── InvalidSignatureError
│   │   ├── UnrecognizedClientError
│   │   └── ExpiredTokenError
│   └── ServiceError
├── NotAuthenticError               a request is not from whom it claims to be from, or not of now
└── AdapterError                    an adapter could not do what it was asked
    ├── ResourceNotFoundError       the named queue, topic, stream ... does not exist
    ├── InvalidMessageError         the service refuses this message for good (size, shape, characters)
    ├── UnavailableError            the service cannot be reached now; trying again is right
    │   └── EnvironmentUnavailableError  the same at start, of everything that cannot be reached
    ├── AccessDeniedError           the service refuses our credentials, or has none from us
    ├── LeaseLostError              somebody else owns the record, event or partition by now
    └── DataDirectoryError          the embedded environment's directory cannot be used
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class EventflowError(Exception):
    """Root of every error raised on purpose by eventflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a declaration or an environment: where it is, what it is, and what would be right."""

    where: str
    """The thing at fault, e.g. ``shop.fulfil @on_sqs_batch("orders")`` or ``eventflow.toml``."""
    field: str | None = None
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        field = f" {self.field}:" if self.field else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.where}:{field} {self.message}{hint}"


class ConfigurationError(EventflowError):
    """A declaration or an environment cannot work. ``problems`` lists every mistake found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} configuration {noun}:\n{lines}")


class TargetError(ConfigurationError):
    """The target on the command line cannot be loaded: bad text, module missing or broken, attribute missing."""


class PortInUseError(EventflowError):
    """Somebody listens on the address already."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port} is in use by another process; stop it, or choose another port")
        self.host = host
        self.port = port


class InvalidEventPatternError(EventflowError):
    """An event pattern or a filter does not compile."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Event pattern is not valid. Reason: {reason}")
        self.reason = reason


class InvalidScheduleExpressionError(EventflowError):
    """A schedule expression does not parse."""

    def __init__(self, expression: str, reason: str) -> None:
        super().__init__(f"schedule expression {expression!r} is not valid: {reason}")
        self.expression = expression
        self.reason = reason


class EventValidationError(EventflowError):
    """What arrived cannot become what a handler's parameter asks for. Counts as a function error.

    ``of`` names the data (``"the request body"``); ``details`` are pairs of a location in it and what is wrong
    there.
    """

    def __init__(self, of: str, details: Sequence[tuple[str, str]]) -> None:
        self.of = of
        self.details = tuple(details)
        lines = "; ".join(f"{location}: {message}" if location else message for location, message in self.details)
        super().__init__(f"{of} is not valid: {lines}")


class InvocationError(EventflowError):
    """Nothing ran, or the answer is lost. ``code`` and ``status`` are the Lambda API's own.

    Source: Lambda API reference, Invoke: Errors.
    """

    code: ClassVar[str] = "ServiceException"
    status: ClassVar[int] = 500
    message_key: ClassVar[str] = "message"
    """The API spells this key in two ways, fixed per error."""

    @property
    def type(self) -> str:
        return "Service" if self.status >= 500 else "User"


class FunctionNotFoundError(InvocationError):
    """No function of the app has this name."""

    code, status, message_key = "ResourceNotFoundException", 404, "Message"

    def __init__(self, function_arn: str) -> None:
        super().__init__(f"Function not found: {function_arn}")


class InvalidRequestContentError(InvocationError):
    """The payload is not JSON."""

    code, status = "InvalidRequestContentException", 400

    def __init__(self, detail: str) -> None:
        super().__init__(f"Could not parse request body into json: Could not parse payload into json: {detail}")


class InvalidParameterValueError(InvocationError):
    """A parameter of the request is not allowed."""

    code, status = "InvalidParameterValueException", 400


class RequestTooLargeError(InvocationError):
    """The payload is over the limit of its invocation type."""

    code, status = "RequestTooLargeException", 413


class ThrottledError(InvocationError):
    """No permit was free. ``reason`` is the API's own."""

    code, status = "TooManyRequestsException", 429

    def __init__(self, reason: str) -> None:
        super().__init__("Rate Exceeded.")
        self.reason = reason


class InvocationDeniedError(InvocationError):
    """The caller is known, and no policy lets it do this: invoke the function, manage the connection."""

    code, status, message_key = "AccessDeniedException", 403, "Message"

    def __init__(self, principal: str, action: str, arn: str, reason: str) -> None:
        super().__init__(
            f"User: {principal} is not authorized to perform: {action} on resource: {arn} because {reason}"
        )


class SignatureError(InvocationError):
    """A request's signature does not say who sent it. The text never holds the signature.

    Source: Lambda API: common errors.
    """

    status = 403


class MissingAuthenticationTokenError(SignatureError):
    """The request is not signed."""

    code = "MissingAuthenticationTokenException"


class IncompleteSignatureError(SignatureError):
    """The parts of a signature are not all there, or cannot be read."""

    code = "IncompleteSignatureException"


class InvalidSignatureError(SignatureError):
    """The signature is not that of this request, of this place, or of now."""

    code = "InvalidSignatureException"


class UnrecognizedClientError(SignatureError):
    """No caller has this access key, or not with this session token."""

    code = "UnrecognizedClientException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ExpiredTokenError(SignatureError):
    """The access key was a temporary one."""

    code = "ExpiredTokenException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")


class ServiceError(InvocationError):
    """Something of ours failed; trying again is right."""

    code, status, message_key = "ServiceException", 500, "Message"


class NotAuthenticError(EventflowError):
    """A request is not from whom it claims to be from, or not of now. The text says why."""


class AdapterError(EventflowError):
    """An adapter could not do what it was asked. ``resource`` is the logical name, e.g. ``sqs:orders``; ``message``
    says what is wrong with it, and ``mend`` what would be right, where the message does not."""

    def __init__(self, resource: str, message: str, *, mend: str | None = None) -> None:
        super().__init__(resource, message)
        self.resource = resource
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.resource}: {self.message}" + (f"; {self.mend}" if self.mend else "")


class ResourceNotFoundError(AdapterError):
    """The named resource does not exist; trying again will not help until somebody creates it."""


class InvalidMessageError(AdapterError):
    """The service refuses this message for good: too large, malformed, or missing a required attribute."""


class UnavailableError(AdapterError):
    """The service cannot be reached now. Nothing was lost; the caller tries again with backoff."""


class EnvironmentUnavailableError(UnavailableError):
    """Services that an app needs cannot be reached. ``problems`` lists every part that could not be opened."""

    def __init__(self, environment: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"environment {environment}", "; ".join(map(str, self.problems)))


class AccessDeniedError(AdapterError):
    """The service refuses these credentials, or there are none; somebody has to allow it, then it works."""


class LeaseLostError(AdapterError):
    """The record, event or partition belongs to somebody else by now; its outcome must not be recorded."""


class DataDirectoryError(AdapterError):
    """The embedded environment's directory cannot be created, opened or written."""
