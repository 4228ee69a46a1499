"""How often messages of a classic queue have failed: the queue itself only says that a message was delivered before."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

MAXIMUM_REMEMBERED: Final = 10_000


class Attempts:
    """The failures that this process has seen of one queue's messages, the latest ones.

    A message is known by its id, and one without an id by its content. What other processes saw is not known here, so a
    message that was delivered before counts as failed once at least. ``counted`` is set when the queue turns out to
    count by itself: nothing is remembered then.
    """

    def __init__(self) -> None:
        self.counted = False
        self._failures: dict[str | bytes, int] = {}

    def of(self, message: DeliveredMessage) -> int:
        """The failures of a message that was delivered before."""
        return self._failures.get(_identity(message), 1)

    def failed(self, message: DeliveredMessage) -> None:
        """A message is given back because it failed."""
        if self.counted:
            self._failures.clear()
            return
        identity = _identity(message)
        before = self._failures.pop(identity, 1 if message.redelivered else 0)
        self._failures[identity] = before + 1
        if len(self._failures) > MAXIMUM_REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def done(self, message: DeliveredMessage) -> None:
        """A message has left the queue."""
        if self._failures and message.redelivered:
            self._failures.pop(_identity(message), None)


def _identity(message: DeliveredMessage) -> str | bytes:
    properties = message.header.properties
    assert properties is not None
    if properties.message_id:
        return properties.message_id
    content = blake2b(message.body, digest_size=16)
    content.update(repr((properties.correlation_id, properties.timestamp, properties.message_type)).encode())
    return content.digest()
