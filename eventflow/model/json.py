"""The type of a decoded JSON document."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonValue: TypeAlias = "dict[str, Any] | list[Any] | str | int | float | bool | None"
"""Any decoded JSON value. The members are left open on purpose: events are walked by key, not by type."""

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object."""
