"""Whether a caller may invoke a function.

Source: IAM guide: policy evaluation logic; Lambda guide: access-control-resource-based.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from eventflow.model.permissions import INVOKE_FUNCTION, MANAGE_CONNECTIONS, is_service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.model.permissions import AccessKey, Permission, Source


def denial(
    caller: AccessKey, function: str, permissions: Iterable[Permission], source: Source, *, account_id: str
) -> str | None:
    """Why ``caller`` may not invoke a function of the account; ``None`` if it may.

    An identity of the account may if its own policy allows it, or the function's policy names it. One of another
    account needs both. A service has no policy of its own, and only what a service says of its ``source`` counts.
    """
    by_resource = any(
        permission.function == function and _applies(permission, caller, source, account_id=account_id)
        for permission in permissions
    )
    if caller.is_service:
        return None if by_resource else _no_policy("resource")
    by_identity = any(matches(pattern, function) for pattern in caller.functions)
    if account_of(caller.principal) == account_id:
        return None if by_identity or by_resource else _no_policy("identity")
    if not by_identity:
        return _no_policy("identity")
    return None if by_resource else _no_policy("resource")


def connections_denial(caller: AccessKey, *, account_id: str) -> str | None:
    """Why ``caller`` may not manage the account's WebSocket connections; ``None`` if it may. Those have no policy of
    their own, so that nobody else's identity could."""
    own = not caller.is_service and account_of(caller.principal) == account_id
    return None if own and caller.manages_connections else _no_policy("identity", MANAGE_CONNECTIONS)


def _no_policy(kind: str, action: str = INVOKE_FUNCTION) -> str:
    return f"no {kind}-based policy allows the {action} action"


def _applies(permission: Permission, caller: AccessKey, source: Source, *, account_id: str) -> bool:
    if not names(permission.principal, caller.principal, account_id):
        return False
    if not permission.has_conditions:
        return True
    if not caller.is_service or permission.event_source_token is not None:
        return False  # nobody states a token here
    if permission.source_arn is not None and (source.arn is None or not arn_matches(permission.source_arn, source.arn)):
        return False
    return permission.source_account in (None, source.account)


def names(allowed: str, principal: str, account_id: str) -> bool:
    """Whether a statement's principal includes the caller. An account is all of its identities, but in one's own it
    only hands the decision over to their policies."""
    if allowed == "*" or allowed == principal:
        return True
    if is_service(principal):
        return False
    account = account_of(principal)
    if allowed in (account, f"arn:{_partition(principal)}:iam::{account}:root"):
        return account != account_id
    return allowed == _role_of(principal)


def account_of(principal: str) -> str:
    """The account of an identity's ARN."""
    return principal.split(":")[4]


def _partition(principal: str) -> str:
    return principal.split(":")[1]


def _role_of(principal: str) -> str | None:
    """The role of a session: ``arn:aws:sts::1:assumed-role/forwarder/session`` is one of
    ``arn:aws:iam::1:role/forwarder``. The path of a role is not known from its sessions."""
    _, partition, _, _, account, resource = principal.split(":", 5)
    kind, _, rest = resource.partition("/")
    return f"arn:{partition}:iam::{account}:role/{rest.partition('/')[0]}" if kind == "assumed-role" else None


def arn_matches(pattern: str, arn: str) -> bool:
    """IAM's ``ArnLike``: wildcards match within one of an ARN's six parts."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) == 6 and all(map(matches, patterns, parts))


def matches(pattern: str, text: str) -> bool:
    """``*`` is any text, ``?`` any character, and nothing else is special."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character) or re.escape(character) for character in pattern), re.DOTALL)
