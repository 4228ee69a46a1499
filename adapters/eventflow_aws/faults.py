"""What went wrong at AWS, said in eventflow's errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
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

NOT_FOUND: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "EndpointNotFoundException",
        "NoSuchBucket",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "AuthorizationError",
        "AuthorizationErrorException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "KMSAccessDeniedException",
        "KmsAccessDenied",
        "KMS.AccessDeniedException",
        "KMSOptInRequired",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
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
    except (
        NoCredentialsError,
        PartialCredentialsError,
        CredentialRetrievalError,
        TokenRetrievalError,
        ProfileNotFound,
    ) as exc:
        message = f"there are no credentials for {action}: {exc}; set AWS_PROFILE, AWS_ACCESS_KEY_ID or a role"
        raise AccessDeniedError(resource, message) from exc
    except NoRegionError as exc:
        raise AdapterError(resource, 'no region is known; set region = "..." or AWS_REGION') from exc
    except EndpointConnectionError as exc:
        raise UnavailableError(resource, f"{action}: cannot connect to {exc.kwargs['endpoint_url']}") from exc
    except (HTTPClientError, OSError, TimeoutError) as exc:
        raise UnavailableError(resource, f"{action}: {exc}") from exc
    except BotoCoreError as exc:
        raise AdapterError(resource, f"{action}: {exc}") from exc


def translate(exc: ClientError, resource: str, action: str, *, sends: bool = False) -> AdapterError:
    """The AdapterError that an error answer means."""
    code = error_code(exc)
    message = str(exc.response.get("Error", {}).get("Message", "")) or code
    if code in NOT_FOUND:
        return ResourceNotFoundError(resource, f"does not exist ({action}: {message})")
    if code in DENIED:
        return AccessDeniedError(resource, f"{action} is denied ({code}: {message}); allow it to these credentials")
    if sends and code in REFUSED:
        return InvalidMessageError(resource, f"{action}: {code}: {message}")
    return UnavailableError(resource, f"{action}: {code}: {message}")
