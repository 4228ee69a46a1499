"""Where results, failures and dead letters go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from eventflow.model.destinations import OutboundMessage


class DestinationSink(Protocol):
    """Sends to one queue, topic, bus, bucket, stream, table or function."""

    @property
    def arn(self) -> str: ...

    async def send(self, message: OutboundMessage) -> None:
        """Hand over one message; it is stored durably when this returns.

        Raises InvalidMessageError (never try again), ResourceNotFoundError, UnavailableError.
        """

    async def aclose(self) -> None:
        """Give up the sink's resources. Idempotent."""
