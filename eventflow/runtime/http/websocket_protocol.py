"""uvicorn's WebSocket protocol, with what a WebSocket API adds: a limit on frames, and ends that the application
decides about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from eventflow.model import limits
from eventflow.runtime.http.websocket_session import LOST

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from eventflow.runtime.http.patience import Patience


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection, once its handshake has arrived."""

    _unsent = 0
    _unsent_since = 0.0

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._state: Any = server_state
        self.conn.max_fragment_size = limits.WEBSOCKET_FRAME_BYTES

    def shutdown(self) -> None:
        """The server stops. The application ends its connections itself, so that each end is told."""

    def handle_ping(self) -> None:
        """Answer, but not one who does not read: answers would pile up."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def lose_patience(self, patience: Patience, now: float) -> None:
        """Give the client up if it has not read anything for too long."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif unsent and now - self._unsent_since >= patience.unread_seconds:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.handshake_complete and not self.close_sent and self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": LOST})
        super().connection_lost(exc)
        self._state.disconnected.set()
