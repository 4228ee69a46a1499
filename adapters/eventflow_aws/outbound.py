"""What the sinks share: the ARN they send to, a first look at it, and the little that is checked before sending.

Sinks leave it to the service what it takes; they check only what cannot be sent at all or what limits batches.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from eventflow.errors import AdapterError, InvalidMessageError
from eventflow_aws.faults import error_code, translated
from eventflow_aws.names import ARN_FORMS, Arn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow_aws.environment import Environment

_log = logging.getLogger(__name__)

NOT_ALLOWED: Final = frozenset(
    {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
)
"""How services say that the credentials are fine and may not do this. The number is all that a HEAD request has."""


async def regional_arn(env: Environment, resource: str) -> Arn:
    """The ARN of a topic, bus, function, stream or table: the one it is bound to, else one of this account and region.

    Raises AdapterError if it is bound to another service's ARN, or to one of another region, which these APIs refuse.
    """
    service, prefix = ARN_FORMS[resource.partition(":")[0]]
    region = env.clients.region
    physical = env.names.physical(resource)
    arn = Arn.parse(physical)
    if arn is None:
        return Arn(env.clients.partition, service, region, await env.clients.account_id(), prefix + physical)
    env.names.plain(resource)  # is it of this service?
    if arn.region != region:
        message = f'is bound to {physical}, and this environment is in {region}; set region = "{arn.region}"'
        raise AdapterError(resource, message)
    return arn


@contextmanager
def look(resource: str, action: str) -> Iterator[None]:
    """A look at a resource before the first message. Whoever may send need not be allowed to look: then the
    resource is taken on trust. Raises AdapterError for everything else that is wrong."""
    with translated(resource, action):
        try:
            yield
        except ClientError as exc:
            if error_code(exc) not in NOT_ALLOWED:
                raise
            _log.info("%s: %s is not allowed, so nobody knows yet whether it exists", resource, action)


def checked_text(resource: str, body: bytes, *, size_bytes: int, limit_bytes: int) -> str:
    """A body as text. Raises InvalidMessageError if it is none, is empty, or is too large with all that counts."""
    if size_bytes > limit_bytes:
        raise InvalidMessageError(resource, f"the message has {size_bytes:,} bytes; {limit_bytes:,} are allowed")
    if not body:
        raise InvalidMessageError(resource, "the message is empty")
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise InvalidMessageError(resource, f"the message is not UTF-8 text: {exc}") from exc
