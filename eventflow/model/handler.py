"""What the user wrote, as a value of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[..., Any]
"""The user's callable: ``def`` or ``async def``, with the parameters its annotations ask for."""
