"""Statements of resource policies as documents.

Source: Lambda API: AddPermission; CloudFormation: AWS::Lambda::Permission.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.permissions import INVOKE_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventflow.model.permissions import Permission

_ID_LENGTH: Final = 16


def as_requests(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    """One AddPermission request per statement."""
    return [{**_wire(permission), "StatementId": f"eventflow-{_id(permission)}"} for permission in permissions]


def as_template(permissions: Sequence[Permission]) -> dict[str, Any]:
    """A CloudFormation template with one resource per statement."""
    resources = {
        f"{_letters(permission.function)}Permission{_id(permission)}": {
            "Type": "AWS::Lambda::Permission",
            "Properties": _wire(permission),
        }
        for permission in permissions
    }
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def _wire(permission: Permission) -> dict[str, str]:
    wire = {
        "FunctionName": permission.function,
        "Action": INVOKE_FUNCTION,
        "Principal": permission.principal,
        "SourceArn": permission.source_arn,
        "SourceAccount": permission.source_account,
        "EventSourceToken": permission.event_source_token,
    }
    return {name: value for name, value in wire.items() if value is not None}


def _id(permission: Permission) -> str:
    """The same for the same statement, so that adding it again is a conflict and not a second one."""
    return sha256(json.dumps(_wire(permission), sort_keys=True).encode()).hexdigest()[:_ID_LENGTH]


def _letters(name: str) -> str:
    """A function's name as part of a logical id."""
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))
