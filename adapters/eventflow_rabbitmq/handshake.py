"""Signing in. aiormq keeps to itself why a broker refuses a virtual host; this passes it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiormq import Connection
from aiormq.exceptions import ConnectionNotAllowed
from pamqp import commands

if TYPE_CHECKING:
    import asyncio

    from aiormq.connection import FrameReceiver, ReceivedFrame

NOT_ALLOWED: Final = 530


class TalkativeConnection(Connection):
    """A connection that says why it was not taken."""

    @staticmethod
    async def _rpc(
        request: Any, writer: asyncio.StreamWriter, frame_receiver: FrameReceiver, wait_response: bool = True
    ) -> Any:
        """Raises ConnectionNotAllowed with what the broker said."""
        return await Connection._rpc(request, writer, _Listening(frame_receiver), wait_response)  # type: ignore[arg-type]


class _Listening:
    """What receives the answers of the handshake."""

    def __init__(self, receiver: FrameReceiver) -> None:
        self._receiver = receiver

    async def get_frame(self) -> ReceivedFrame:
        received = await self._receiver.get_frame()
        frame = received[2]
        if isinstance(frame, commands.Connection.Close) and frame.reply_code == NOT_ALLOWED:
            raise ConnectionNotAllowed(frame.reply_text)
        return received
