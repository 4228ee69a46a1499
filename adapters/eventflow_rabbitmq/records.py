"""Messages of RabbitMQ as records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.events.rabbitmq import QUEUE, basic_properties
from eventflow.model.records import QueueRecord

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

    from eventflow_rabbitmq.attempts import Attempts

DELIVERY_COUNT: Final = "x-delivery-count"
"""How often a quorum queue has seen a message fail: every return before RabbitMQ 4.3, since then no longer those of
``basic.nack``."""
ACQUIRED_COUNT: Final = "x-acquired-count"
"""How often a quorum queue of RabbitMQ 4.3 has handed a message out before, whatever came of it."""


class RecordFactory:
    """Makes the records of one queue. ``queue`` is its name on the wire, ``orders::/``."""

    def __init__(self, queue: str, attempts: Attempts) -> None:
        self._queue = queue
        self._attempts = attempts

    def make(self, receipt: str, message: DeliveredMessage) -> QueueRecord:
        """One message."""
        properties = message.header.properties
        assert properties is not None
        body = message.body
        timestamp = properties.timestamp
        wire = basic_properties(
            body,
            message_id=properties.message_id,
            content_type=properties.content_type,
            content_encoding=properties.content_encoding,
            headers=properties.headers,
            delivery_mode=properties.delivery_mode,
            priority=properties.priority,
            correlation_id=properties.correlation_id,
            reply_to=properties.reply_to,
            expiration=properties.expiration,
            timestamp=None if timestamp is None else timestamp.timestamp(),
            type=properties.message_type,
            user_id=properties.user_id,
            app_id=properties.app_id,
            cluster_id=properties.cluster_id or None,
        )
        redelivered = bool(message.redelivered)
        return QueueRecord(
            properties.message_id or "",
            receipt,
            body,
            self._receive_count(message) if redelivered else 1,
            None,
            {QUEUE: self._queue, "basicProperties": wire, "redelivered": redelivered},
            {},
        )

    def _receive_count(self, message: DeliveredMessage) -> int:
        """Of a message that was delivered before: its failures, and this delivery. See :class:`Attempts` for queues
        that do not count."""
        assert message.header.properties is not None
        headers = message.header.properties.headers or {}
        failures = headers.get(DELIVERY_COUNT)
        if isinstance(failures, int):
            self._attempts.counted = True
            return failures + 1
        if ACQUIRED_COUNT in headers:  # handed out before, and given back without having failed
            self._attempts.counted = True
            return 1
        return self._attempts.of(message) + 1
