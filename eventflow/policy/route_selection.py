"""Which route a WebSocket message takes. Source: API Gateway guide: websocket-api-develop-routes,
apigateway-websocket-api-mapping-template-reference."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

_PATH: Final = r"request\.body((?:\.[A-Za-z0-9_-]+|\[\d{1,4}\])+)"
_REFERENCE: Final = re.compile(rf"\$\{{{_PATH}\}}|\${_PATH}")
_STEP: Final = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]")
_ESCAPED_DOLLAR: Final = r"\$"


class _NotThereError(Exception):
    """The expression cannot be evaluated for this message."""


class Selection(NamedTuple):
    """A route selection expression: fixed text, and places in a message's JSON, as steps from its root."""

    parts: tuple[str | tuple[str | int, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Selection:
        """From ``$request.body.action``, or ``${request.body.kind}/${request.body.action}``; ``\\$`` is a dollar sign.

        Raises ValueError saying what would be right.
        """
        parts: list[str | tuple[str | int, ...]] = []
        rest = text if isinstance(text, str) else ""
        while rest:
            if rest.startswith(_ESCAPED_DOLLAR):
                parts.append("$")
                rest = rest[len(_ESCAPED_DOLLAR) :]
            elif found := _REFERENCE.match(rest):
                steps = _STEP.findall(found[1] or found[2])
                parts.append(tuple(name or int(index) for name, index in steps))
                rest = rest[found.end() :]
            elif rest.startswith("$"):
                break
            else:
                parts.append(rest[0])
                rest = rest[1:]
        if rest or not any(isinstance(part, tuple) for part in parts):
            raise ValueError(
                f"{text!r} is no route selection expression; use $request.body.NAME, or several such as "
                "${request.body.NAME}/${request.body.OTHER}"
            )
        return cls(tuple(parts))

    def key(self, message: str) -> str | None:
        """The route key that a message asks for; ``None`` if it asks for none."""
        try:
            body = json.loads(message)
        except (ValueError, RecursionError):
            return None
        if not isinstance(body, dict):
            return None
        try:
            return "".join(part if isinstance(part, str) else _text(body, part) for part in self.parts) or None
        except _NotThereError:
            return None


def _text(body: Any, steps: tuple[str | int, ...]) -> str:
    """The value at a place as text. What is missing is the empty text. Raises _NotThereError for an object or array."""
    value = body
    for step in steps:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _NotThereError
