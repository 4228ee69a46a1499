"""What went wrong at the broker, said in eventflow's errors."""

from __future__ import annotations

from contextlib import contextmanager
from ssl import SSLCertVerificationError, SSLError
from typing import TYPE_CHECKING, Final

from eventflow.errors import AccessDeniedError, AdapterError, InvalidMessageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proton import Condition

UNAUTHORIZED: Final = "amqp:unauthorized-access"
DENIED: Final = frozenset({UNAUTHORIZED, "amqp:security-error", "proton:auth-error"})
TOO_LARGE: Final = "amqp:link:message-size-exceeded"
INVALID_SELECTOR: Final = "amqp:invalid-field"
CREDENTIALS: Final = "check the username and the password; they may lack a right of the broker's (read, write, admin)"


class BrokerError(Exception):
    """The broker refused something, or is gone. ``condition`` is AMQP's name for it, empty if the broker gave none."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(condition, text)
        self.condition = condition
        self.text = text

    def __str__(self) -> str:
        return self.text or self.condition

    @classmethod
    def of(cls, condition: Condition | None, otherwise: str) -> BrokerError:
        """What a closed connection, session or link says of itself."""
        if condition is None:
            return cls("", otherwise)
        return cls(condition.name, condition.description or otherwise)


@contextmanager
def translated(resource: str, doing: str) -> Iterator[None]:
    """Turn what connections raise inside the block into AdapterErrors about ``resource``; ``doing`` is what was
    tried."""
    try:
        yield
    except (BrokerError, OSError, TimeoutError) as exc:
        raise fault(resource, doing, exc) from exc


def fault(resource: str, doing: str, exc: BaseException) -> AdapterError:
    """The AdapterError that an error means. What may go well later is unavailable."""
    text = _sentence(exc)
    if isinstance(exc, SSLCertVerificationError):
        mend = "is it the right address? if so, name the authority that signed it in `ca_file`"
        return AccessDeniedError(resource, f"{doing}: the broker's certificate is not trusted ({text})", mend=mend)
    if isinstance(exc, SSLError):
        mend = "does the broker speak TLS on this port, and does it want a client certificate (`cert_file`)?"
        return UnavailableError(resource, f"{doing}: no encrypted connection ({text})", mend=mend)
    if not isinstance(exc, BrokerError):
        return UnavailableError(resource, f"{doing}: {text or 'no answer in time'}")
    if exc.condition in DENIED:
        return AccessDeniedError(resource, f"{doing} is denied ({text})", mend=CREDENTIALS)
    if exc.condition == TOO_LARGE:
        return InvalidMessageError(resource, f"{doing}: {text}")
    if exc.condition == INVALID_SELECTOR:
        return AdapterError(resource, f"{doing}: {text}", mend="check its selector in `selectors`")
    return UnavailableError(resource, f"{doing}: {text}")


def _sentence(exc: BaseException) -> str:
    return str(exc).strip().partition("\n")[0].rstrip(".")
