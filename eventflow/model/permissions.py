"""Who may invoke functions: access keys, and the statements of resource policies.

Source: Lambda API: AddPermission; IAM guide: policy evaluation logic.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

INVOKE_FUNCTION = "lambda:InvokeFunction"
MANAGE_CONNECTIONS = "execute-api:ManageConnections"
EVERY_FUNCTION = ("*",)


class AuthType(StrEnum):
    """Whether requests have to be signed, in the words of a function URL's ``AuthType``."""

    NONE = "NONE"
    AWS_IAM = "AWS_IAM"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A caller: the id of its key, and whom it acts as.

    ``principal`` is an ARN (a user, a role, an account's root) or a service (``s3.amazonaws.com``). The secret, and the
    session token if there is one, are in files or variables; ``of_variables`` says that variables name the key itself.
    ``expires_at`` is in seconds since 1970. ``functions`` are names of functions that it may invoke, with wildcards:
    its identity policy. ``connections`` says whether it may send to WebSocket connections, ask about them and end them;
    unless it says, that is so if it may invoke every function.
    """

    id: str
    principal: str
    secret_access_key_file: str | None = None
    session_token_file: str | None = None
    expires_at: float | None = None
    functions: tuple[str, ...] = EVERY_FUNCTION
    connections: bool | None = None
    of_variables: bool = False

    @property
    def is_service(self) -> bool:
        return is_service(self.principal)

    @property
    def manages_connections(self) -> bool:
        """Whether its policy allows ``execute-api:ManageConnections``."""
        every = self.functions == EVERY_FUNCTION and not self.is_service
        return every if self.connections is None else self.connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A statement of a function's resource policy that allows ``lambda:InvokeFunction``, as AddPermission makes it.

    ``principal`` is a service, an account id, an ARN or ``*``. ``source_arn`` may have wildcards.
    """

    function: str
    principal: str
    source_arn: str | None = None
    source_account: str | None = None
    event_source_token: str | None = None

    @property
    def has_conditions(self) -> bool:
        return bool(self.source_arn or self.source_account or self.event_source_token)


class Source(NamedTuple):
    """On whose behalf a service calls; what it does not say is ``None``."""

    arn: str | None = None
    account: str | None = None


def is_service(principal: str) -> bool:
    """Whether a principal is a service, and not an identity of an account."""
    return ":" not in principal and "." in principal
