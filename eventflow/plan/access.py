"""Who may invoke functions, as an environment's tables ``access_keys`` and ``permissions`` say it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import Problem
from eventflow.model.permissions import AccessKey, Permission, is_service

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_]{1,128}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_IDENTITY: Final = re.compile(
    r"arn:aws[a-z-]*:(iam::[0-9]{12}:(root|(user|role)/[\w+=,.@/-]+)|sts::[0-9]{12}:(assumed-role|federated-user)/[\w+=,.@/-]+)"
)
_SERVICE: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_NAMES: Final = re.compile(r"[A-Za-z0-9_*?-]{1,64}")
_ARN: Final = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:.+")
_FILES: Final = ("secret_access_key_file", "session_token_file")
_KEY_FIELDS: Final = ("principal", *_FILES, "expires_at", "functions", "connections")
_PERMISSION_FIELDS: Final = ("function", "principal", "source_arn", "source_account")


def access_keys(tables: Mapping[str, Mapping[str, Any]]) -> tuple[AccessKey, ...]:
    """The callers of an environment whose tables have no problem."""
    return tuple(_access_key(key_id, table) for key_id, table in tables.items())


def _access_key(key_id: str, table: Mapping[str, Any]) -> AccessKey:
    known = dict(table)
    if "expires_at" in known:
        known["expires_at"] = known["expires_at"].timestamp()
    if "functions" in known:
        known["functions"] = tuple(known["functions"])
    return AccessKey(id=key_id, **known)


def permissions(tables: list[Mapping[str, Any]]) -> tuple[Permission, ...]:
    """The statements of an environment whose tables have no problem."""
    return tuple(Permission(**table) for table in tables)


def key_of_variables(key_id: str, root: str) -> AccessKey:
    """The key that variables alone make: it acts for the whole account, as its ``root``."""
    return AccessKey(id=key_id, principal=root, of_variables=True)


def variable_problems(key_id: str, where: str, *, known: Collection[str]) -> Iterator[Problem]:
    """What is wrong with that key, beside the ``known`` ones of the tables."""
    if not _KEY_ID.fullmatch(key_id):
        yield Problem(where=where, message="is not an access key's id", hint="letters, digits and _")
    elif key_id in known:
        yield Problem(where=where, message=f"there is a table for {key_id} already", hint="keep one of them")


def key_problems(tables: object, where: str) -> Iterator[Problem]:
    """Every mistake in ``access_keys``. Values of unknown keys are not shown: they may be secret."""
    if not isinstance(tables, dict):
        hint = "a table [environments.<name>.access_keys.<id>] per caller"
        yield Problem(where=where, field="access_keys", message="is not a table", hint=hint)
        return
    for key_id, table in tables.items():
        field = f"access_keys.{key_id}"
        if not _KEY_ID.fullmatch(key_id):
            yield Problem(where=where, field=field, message="is not an access key's id", hint="letters, digits and _")
        elif not isinstance(table, dict):
            yield Problem(where=where, field=field, message="is not a table", hint='it needs principal = "..."')
        else:
            yield from _key_problems(table, where, field)


def _key_problems(table: Mapping[str, Any], where: str, field: str) -> Iterator[Problem]:
    for name in table:
        if name not in _KEY_FIELDS:
            secret = "; a secret is in a file or a variable" if "secret" in name or "token" in name else ""
            hint = f"known: {', '.join(_KEY_FIELDS)}{secret}"
            yield Problem(where=where, field=f"{field}.{name}", message="is not a key", hint=hint)
    principal = table.get("principal")
    if not isinstance(principal, str) or not (_IDENTITY.fullmatch(principal) or _is_service(principal)):
        hint = "whom the key acts as: the ARN of a user, role or root, or a service such as s3.amazonaws.com"
        yield Problem(where=where, field=f"{field}.principal", message=f"{principal!r} is not allowed", hint=hint)
    elif "functions" in table and is_service(principal):
        hint = "permissions say what a service may invoke"
        yield Problem(where=where, field=f"{field}.functions", message="a service has no policy of its own", hint=hint)
    elif "connections" in table and is_service(principal):
        message, hint = "a service manages no connections", "an identity of the environment's account may"
        yield Problem(where=where, field=f"{field}.connections", message=message, hint=hint)
    for name in _FILES:
        if name in table and not isinstance(table[name], str):
            yield Problem(where=where, field=f"{field}.{name}", message="is not text", hint="the path of a file")
    expires_at = table.get("expires_at")
    if expires_at is not None and not (isinstance(expires_at, datetime) and expires_at.tzinfo):
        hint = "a time with its offset, e.g. 2027-01-31T12:00:00Z"
        yield Problem(where=where, field=f"{field}.expires_at", message=f"{expires_at!r} is not allowed", hint=hint)
    functions = table.get("functions", ["*"])
    if not isinstance(functions, list) or not all(
        isinstance(name, str) and _NAMES.fullmatch(name) for name in functions
    ):
        hint = 'a list of functions\' names, * and ? allowed, e.g. ["confirm", "book-*"]'
        yield Problem(where=where, field=f"{field}.functions", message=f"{functions!r} is not allowed", hint=hint)
    connections = table.get("connections", True)
    if not isinstance(connections, bool):
        message, hint = f"{connections!r} is not allowed", "true or false: may it send to WebSocket connections"
        yield Problem(where=where, field=f"{field}.connections", message=message, hint=hint)


def permission_problems(tables: object, where: str) -> Iterator[Problem]:
    """Every mistake in ``permissions``."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        hint = "a table [[environments.<name>.permissions]] per statement"
        yield Problem(where=where, field="permissions", message="is not a list of tables", hint=hint)
        return
    for index, table in enumerate(tables):
        yield from _permission_problems(table, where, f"permissions[{index}]")


def _permission_problems(table: Mapping[str, Any], where: str, field: str) -> Iterator[Problem]:
    def problem(name: str, hint: str) -> Problem:
        message = f"{table[name]!r} is not allowed" if name in table else "is missing"
        return Problem(where=where, field=f"{field}.{name}", message=message, hint=hint)

    for name in table:
        if name not in _PERMISSION_FIELDS:
            hint = f"known: {', '.join(_PERMISSION_FIELDS)}"
            yield Problem(where=where, field=f"{field}.{name}", message="is not a key", hint=hint)
    function = table.get("function")
    if not isinstance(function, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", function):
        yield problem("function", "the name of a function")
    principal = table.get("principal")
    if not isinstance(principal, str) or not _is_principal(principal):
        yield problem(
            "principal", "a service such as s3.amazonaws.com, an account's id, the ARN of a user or role, or *"
        )
    if "source_arn" in table and not (isinstance(table["source_arn"], str) and _ARN.fullmatch(table["source_arn"])):
        yield problem("source_arn", "an ARN, wildcards allowed, e.g. arn:aws:s3:::uploads")
    account = table.get("source_account", "0" * 12)
    if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
        yield problem("source_account", "a 12-digit account id in quotes")


def _is_principal(text: str) -> bool:
    return text == "*" or any(form.fullmatch(text) for form in (_ACCOUNT, _IDENTITY)) or _is_service(text)


def _is_service(text: str) -> bool:
    return _SERVICE.fullmatch(text) is not None
