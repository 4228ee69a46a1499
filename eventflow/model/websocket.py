"""How WebSocket messages reach functions. Source: API Gateway guide: websocket-api-develop-routes, limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.model.handler import Handler

CONNECT: Final = "$connect"
DISCONNECT: Final = "$disconnect"
DEFAULT: Final = "$default"
RESERVED: Final = (CONNECT, DISCONNECT, DEFAULT)

_STAGE: Final = re.compile("[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketRoute:
    """One route of the app's WebSocket API. With ``route_response``, what the function returns as ``body`` is sent to
    the client."""

    route_key: str
    authorizer: Handler | None = None
    route_response: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketApi:
    """What holds for all routes of an app's WebSocket API: ``App(..., websocket_api=WebSocketApi(stage="chat"))``.

    ``route_selection_expression`` finds a message's route in it. Clients connect to ``/`` and ``/<stage>``.
    ``binary_frames`` hands binary messages to functions in base64; API Gateway closes their connections with 1003.
    """

    route_selection_expression: str = "$request.body.action"
    stage: str = "local"
    binary_frames: bool = False

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Field, message and hint of every mistake but those in the expression."""
        stage: object = self.stage
        if not isinstance(stage, str) or not _STAGE.fullmatch(stage):
            yield "stage", f"{stage!r} is not allowed", "1 to 128 letters, digits, - and _"
        binary: object = self.binary_frames
        if not isinstance(binary, bool):
            yield "binary_frames", f"{binary!r} is not allowed", "True or False"
