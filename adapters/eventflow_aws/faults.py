"""What went wrong at AWS, said in eventflow's errors."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from eventflow.errors import (
    AccessDeniedError,
    AdapterError,
    InvalidMessageError,
    ResourceNotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# An answer to a HEAD request has no body: its status is all the code there is.
NOT_FOUND: Final = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "EndpointNotFoundException",
        "NoSuchBucket",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
NOT_ACCEPTED: Final = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
KEY_DENIED: Final = frozenset(
    {
        "KMSAccessDeniedException",
        "KmsAccessDenied",
        "KMS.AccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
    }
)
NOT_SIGNED_UP: Final = frozenset({"KMSOptInRequired", "NotSignedUp", "OptInRequired", "SubscriptionRequiredException"})
NOT_ALLOWED: Final = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "NotAuthorized",
        "UnauthorizedOperation",
    }
)
DENIED: Final = EXPIRED | NOT_ACCEPTED | KEY_DENIED | NOT_SIGNED_UP | NOT_ALLOWED
THERE_ALREADY: Final = frozenset(
    {
        "BucketAlreadyOwnedByYou",
        "ConflictException",
        "ResourceAlreadyExistsException",
        "ResourceInUseException",
    }
)
REFUSED: Final = frozenset(
    {
        "BatchRequestTooLong",
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "EntityTooLarge",
        "InvalidMessageContents",
        "InvalidParameterException",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "InvalidRequestContentException",
        "KeyTooLongError",
        "MalformedDetail",
        "InvalidArgument",
        "InvalidParameter",
        "NotAuthorizedForDetailTypeException",
        "NotAuthorizedForSourceException",
        "ParameterValueInvalid",
        "RequestEntityTooLargeException",
        "RequestTooLargeException",
        "ValidationError",
        "ValidationException",
    }
)
"""Answers that say: this very message will never be taken."""


def error_code(exc: ClientError) -> str:
    """The service's code, e.g. ``ProvisionedThroughputExceededException``."""
    return str(exc.response.get("Error", {}).get("Code", ""))


CREDENTIALS: Final = "aws credentials"
"""What errors are about that concern every resource alike."""
FIND_CREDENTIALS: Final = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role"
RENEW: Final = "renew them: `aws sso login`, or whatever gave them out"

_UNSAID: Final = re.compile(r"\d{8}T\d{6}Z|[;,]? ?Request ?ID: [0-9A-Za-z-]+|(?<=://)[^/@\s]+@", re.IGNORECASE)
"""What differs from one answer to the next, though nothing has changed; and passwords in addresses."""


@contextmanager
def translated(resource: str, action: str, *, sends: bool = False) -> Iterator[None]:
    """Turn what botocore raises inside the block into AdapterErrors about ``resource``.

    ``action`` is what was asked, as IAM writes it (``sqs:ReceiveMessage``): messages about missing permissions name
    it. With ``sends``, an answer that refuses the request for what it contains becomes InvalidMessageError.
    Whatever may go well later (the network, throttling, faults of the service) becomes UnavailableError.
    """
    try:
        yield
    except ClientError as exc:
        raise translate(exc, resource, action, sends=sends) from exc
    except NoCredentialsError as exc:
        message = "there are none in variables, files or roles"
        raise AccessDeniedError(CREDENTIALS, message, mend=FIND_CREDENTIALS) from exc
    except PartialCredentialsError as exc:
        message = f"are not complete: {exc.kwargs['cred_var']} is missing"
        raise AccessDeniedError(CREDENTIALS, message, mend=FIND_CREDENTIALS) from exc
    except (CredentialRetrievalError, TokenRetrievalError, SSOError) as exc:
        raise AccessDeniedError(CREDENTIALS, f"cannot be fetched: {_sentence(exc)}", mend=RENEW) from exc
    except EndpointConnectionError as exc:
        raise UnavailableError(resource, f"{action}: cannot connect to {_address(exc)}") from exc
    except ConnectTimeoutError as exc:
        raise UnavailableError(resource, f"{action}: cannot connect to {_address(exc)} in time") from exc
    except ReadTimeoutError as exc:
        raise UnavailableError(resource, f"{action}: {_address(exc)} does not answer in time") from exc
    except (BotoConnectionError, HTTPClientError, OSError, TimeoutError) as exc:
        raise UnavailableError(resource, f"{action}: {_sentence(exc) or 'no answer in time'}") from exc
    except BotoCoreError as exc:
        raise AdapterError(resource, f"{action}: {_sentence(exc)}") from exc


@contextmanager
def creating(resource: str, action: str) -> Iterator[None]:
    """Like :func:`translated`, for a creation of what was not there a moment ago. That it is there now is no error:
    somebody else was faster, or the answer was lost and botocore asked again."""
    with translated(resource, action):
        try:
            yield
        except ClientError as exc:
            if error_code(exc) not in THERE_ALREADY:
                raise


def translate(exc: ClientError, resource: str, action: str, *, sends: bool = False) -> AdapterError:
    """The AdapterError that an error answer means."""
    error = exc.response.get("Error", {})
    return fault(resource, action, error_code(exc), str(error.get("Message", "")), sends=sends)


def fault(resource: str, action: str, code: str, message: str, *, sends: bool = False) -> AdapterError:
    """The AdapterError that a service's code means: of an answer, or of one entry of a batch."""
    message = _stable(message) or code
    if code.isdecimal() and not action.startswith("s3:"):  # S3 answers HEAD, which has no room for more than a number
        return UnavailableError(resource, f"{action}: the answer is HTTP status {code}, and no answer of AWS's")
    if code in NOT_FOUND:
        return ResourceNotFoundError(resource, f"does not exist ({action}: {message})")
    if code in DENIED:
        return _denied(resource, action, code, f"{code}: {message}")
    if sends and code in REFUSED:
        return InvalidMessageError(resource, f"{action}: {code}: {message}")
    return UnavailableError(resource, f"{action}: {code}: {message}")


def _denied(resource: str, action: str, code: str, answer: str) -> AccessDeniedError:
    if code in EXPIRED:
        return AccessDeniedError(CREDENTIALS, f"have expired ({answer})", mend=RENEW)
    if code in NOT_ACCEPTED:
        mend = "are key, secret, session token and this machine's clock right?"
        return AccessDeniedError(CREDENTIALS, f"are not accepted ({answer})", mend=mend)
    if code in KEY_DENIED:
        mend = "let these credentials use the key that encrypts it, and see that the key is enabled"
    elif code in NOT_SIGNED_UP:
        mend = "sign this account up for the service"
    else:
        mend = "allow it to these credentials: `eventflow export iam` prints the policy"
    return AccessDeniedError(resource, f"{action} is denied ({answer})", mend=mend)


def _stable(message: str) -> str:
    """The first line alone: those after it may tell what was signed, which is secret in part."""
    return _UNSAID.sub("", message.strip().partition("\n")[0]).strip()


def _sentence(exc: Exception) -> str:
    return _stable(str(exc)).rstrip(".")


def _address(exc: BotoCoreError) -> str:
    """Where a request went, without what it asked."""
    parts = urlsplit(str(exc.kwargs.get("endpoint_url", "")))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
