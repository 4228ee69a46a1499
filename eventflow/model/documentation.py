"""What a function's author says of it for whoever reads its documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """Made by :func:`eventflow.documented`. What is ``None`` is taken from the function itself."""

    summary: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    responses: tuple[tuple[int, Any], ...] = ()
    deprecated: bool | None = None
    hidden: bool = False
