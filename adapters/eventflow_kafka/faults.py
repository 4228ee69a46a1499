"""What went wrong at Kafka, said in eventflow's errors."""

from __future__ import annotations

from contextlib import contextmanager
from ssl import SSLCertVerificationError
from typing import TYPE_CHECKING, Final

from aiokafka import errors

from eventflow.errors import (
    AccessDeniedError,
    AdapterError,
    InvalidMessageError,
    LeaseLostError,
    ResourceNotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATE_TOPIC: Final = "create it with Kafka's own tools, or bind the name to a topic that exists"

NOT_FOUND: Final = (errors.UnknownTopicOrPartitionError, errors.InvalidTopicError)
DENIED: Final = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.SaslAuthenticationFailed,
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.UnsupportedSaslMechanismError,
)
LOST: Final = (
    errors.CommitFailedError,
    errors.IllegalGenerationError,
    errors.IllegalStateError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
)
REFUSED: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.InvalidTimestampError)


class TextTooLargeError(AdapterError):
    """The cluster keeps no text of that size beside an offset."""


@contextmanager
def translated(resource: str, doing: str) -> Iterator[None]:
    """Turn what aiokafka raises inside the block into AdapterErrors about ``resource``; ``doing`` is what was tried."""
    try:
        yield
    except (errors.KafkaError, errors.ConsumerStoppedError, OSError, TimeoutError) as exc:
        raise fault(resource, doing, exc) from exc


def fault(resource: str, doing: str, exc: BaseException) -> AdapterError:
    """The AdapterError that an error of aiokafka means. What may go well later is unavailable."""
    text = _sentence(exc)
    if isinstance(exc, NOT_FOUND):
        return ResourceNotFoundError(resource, f"does not exist ({doing}: {text})", mend=CREATE_TOPIC)
    if isinstance(exc, DENIED):
        mend = "allow it to this client, or check `authentication` and the credentials"
        return AccessDeniedError(resource, f"{doing} is denied ({text})", mend=mend)
    if isinstance(exc, SSLCertVerificationError):
        mend = "is it the right address? if so, name the authority that signed it in `ca_file`"
        return AccessDeniedError(resource, f"{doing}: the broker's certificate is not trusted ({text})", mend=mend)
    if isinstance(exc, LOST):
        return LeaseLostError(resource, f"{doing}: the consumer group has given the partition away ({text})")
    if isinstance(exc, REFUSED):
        return InvalidMessageError(resource, f"{doing}: {text}")
    if isinstance(exc, errors.OffsetMetadataTooLargeError):
        mend = "keep less, or raise offset.metadata.max.bytes of the brokers (4096 by default)"
        return TextTooLargeError(
            resource, f"{doing}: the state is too large for the consumer group's offsets", mend=mend
        )
    return UnavailableError(resource, f"{doing}: {text or 'no answer in time'}")


def _sentence(exc: BaseException) -> str:
    return str(exc).strip().partition("\n")[0].rstrip(".")
