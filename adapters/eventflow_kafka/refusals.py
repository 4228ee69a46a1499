"""Why a broker does not take us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSAL_SECONDS: Final = 5.0
_UNDERSTOOD: Final = b"\x01"
"""What a client says to an error that the broker has put into its challenge; then the broker refuses it (RFC 7628)."""


async def refusal(server: str, security: Mapping[str, Any], *, client_id: str) -> Exception | None:
    """What goes wrong when we connect to ``server`` (``host:port``) and sign in; ``None`` if nothing does. aiokafka's
    clients keep it to themselves, and to their log."""
    host, _, port = server.rpartition(":")
    connection = _Connection(
        host.strip("[]"),
        int(port),
        client_id=client_id,
        request_timeout_ms=round(REFUSAL_SECONDS * 1000),
        **security,
    )
    try:
        await connection.connect()
    except (KafkaError, OSError, TimeoutError) as exc:
        return exc
    connection.close()
    return None


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    def authenticator_oauth(self) -> _BearerAuthenticator:
        return _BearerAuthenticator(sasl_oauth_token_provider=self._sasl_oauth_token_provider)


class _BearerAuthenticator(OAuthAuthenticator):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's own takes every answer for a welcome."""

    async def step(self, answer: bytes | None) -> tuple[bytes, bool] | None:
        if answer:
            return _UNDERSTOOD, True
        step: tuple[bytes, bool] | None = await super().step(answer)
        return step
