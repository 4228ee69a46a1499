"""What went wrong at RabbitMQ, said in eventflow's errors."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from ssl import SSLCertVerificationError, SSLError
from typing import TYPE_CHECKING, Final

from aiormq import exceptions as amqp

from eventflow.errors import (
    AccessDeniedError,
    AdapterError,
    InvalidMessageError,
    ResourceNotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATE_QUEUE: Final = (
    "make it (`eventflow provision`, or RabbitMQ's own tools), or bind the name to a queue that exists"
)
CREATE_VIRTUAL_HOST: Final = "make it with `rabbitmqctl add_vhost`, or name one that exists"
PERMIT: Final = "allow it with `rabbitmqctl set_permissions`, or sign in as another user"

_BROKER_ERRORS: Final = (amqp.AMQPError, amqp.ChannelInvalidStateError, OSError, TimeoutError)
_REFUSED_FOR_GOOD: Final = ("larger than", "invalid expiration", "user_id property")
_NO_VIRTUAL_HOST: Final = "not found"


@contextmanager
def translated(resource: str, doing: str) -> Iterator[None]:
    """Turn what aiormq raises inside the block into AdapterErrors about ``resource``; ``doing`` is what was tried."""
    try:
        yield
    except _BROKER_ERRORS as exc:
        raise fault(resource, doing, exc) from exc
    except asyncio.CancelledError as exc:
        # aiormq throws the end of a channel into whatever waits for it.
        if _is_stopping():
            raise
        raise UnavailableError(resource, f"{doing}: the connection was lost") from exc
    except Exception as exc:
        # So does it with a bare Exception, and a connection says of itself that it is closed.
        if type(exc) is not Exception and not (isinstance(exc, RuntimeError) and "closed" in str(exc)):
            raise
        raise UnavailableError(resource, f"{doing}: the connection was lost") from exc


def fault(resource: str, doing: str, exc: BaseException | None) -> AdapterError:
    """The AdapterError that an error of aiormq means. What may go well later is unavailable."""
    text = _sentence(exc)
    match exc:
        case amqp.ChannelNotFoundEntity():
            return ResourceNotFoundError(resource, f"does not exist ({doing}: {text})", mend=CREATE_QUEUE)
        case amqp.ChannelAccessRefused():
            return AccessDeniedError(resource, f"{doing} is denied ({text})", mend=PERMIT)
        case amqp.ChannelLockedResource():
            mend = "stop the other consumer, or give this function a queue of its own"
            return AccessDeniedError(resource, f"{doing}: somebody else has it alone ({text})", mend=mend)
        case amqp.ChannelPreconditionFailed() if any(sign in text for sign in _REFUSED_FOR_GOOD):
            return InvalidMessageError(resource, f"{doing}: {text}")
        case amqp.ChannelPreconditionFailed() if "timed out" in text:
            mend = "raise consumer_timeout of the broker above what a handler may take"
            return UnavailableError(resource, f"{doing}: messages were held for too long ({text})", mend=mend)
        case amqp.ProbableAuthenticationError() | amqp.AuthenticationError():
            mend = "check username and password; `guest` may sign in from the broker's own machine only"
            return AccessDeniedError(resource, f"{doing} is denied ({text})", mend=mend)
        case amqp.ConnectionNotAllowed():
            return _virtual_host_fault(resource, doing, text)
    if (certificate := _cause(exc, SSLCertVerificationError)) is not None:
        mend = "is it the right address? if so, name the authority that signed it in `ca_file`"
        message = f"{doing}: the broker's certificate is not trusted ({_sentence(certificate)})"
        return AccessDeniedError(resource, message, mend=mend)
    if (broken := _cause(exc, SSLError)) is not None and "ALERT" in str(broken).upper():
        mend = "name `cert_file` and `key_file` that the broker trusts"
        return AccessDeniedError(resource, f"{doing}: the broker refuses us ({_sentence(broken)})", mend=mend)
    return UnavailableError(resource, f"{doing}: {text or 'no answer in time'}")


def _virtual_host_fault(resource: str, doing: str, text: str) -> AdapterError:
    if _NO_VIRTUAL_HOST in text:
        message = f"its virtual host does not exist ({doing}: {text})"
        return ResourceNotFoundError(resource, message, mend=CREATE_VIRTUAL_HOST)
    if "refused" in text:
        return AccessDeniedError(resource, f"{doing} is denied ({text})", mend=PERMIT)
    return UnavailableError(resource, f"{doing}: {text}")


def _is_stopping() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cause(exc: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The first of its kind behind an error. Errors of a lost connection may go round in a circle."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        if isinstance(exc, kind):
            return exc
        seen.add(id(exc))
        exc = exc.__cause__ or exc.__context__
    return None


def _sentence(exc: BaseException | None) -> str:
    if exc is None:
        return ""
    text = next((str(part) for part in reversed(exc.args) if isinstance(part, str) and part), "") or str(exc)
    return text.strip().partition("\n")[0].rstrip(".")
