"""Values of a template: intrinsic functions in their long form, and logical ids."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

Value: TypeAlias = "str | dict[str, Any]"
"""Text, or an intrinsic function that yields text."""


def ref(logical_id: str) -> Value:
    return {"Ref": logical_id}


def get_att(logical_id: str, attribute: str) -> Value:
    return {"Fn::GetAtt": [logical_id, attribute]}


def sub(text: str) -> Value:
    return {"Fn::Sub": text}


def arn(service: str, name: str, *, region: str = "${AWS::Region}", account: str = "${AWS::AccountId}") -> Value:
    """An ARN in the stack's own account and region."""
    return sub(f"arn:${{AWS::Partition}}:{service}:{region}:{account}:{name}")


class LogicalIds:
    """Logical ids, made of letters and digits of names; two names never share one."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    def of(self, name: str, kind: str) -> str:
        """``import_csv`` and ``Function`` are ``ImportCsvFunction``; the same again for the same name."""
        words = re.findall(r"[A-Za-z0-9]+", name)
        wanted = "".join(word[0].upper() + word[1:] for word in words)[:200] + kind
        wanted = wanted if wanted[0].isalpha() else f"X{wanted}"
        logical_id, number = wanted, 2
        while self._taken.setdefault(logical_id, f"{kind} {name}") != f"{kind} {name}":
            logical_id, number = f"{wanted}{number}", number + 1
        return logical_id
