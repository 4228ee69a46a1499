"""Sends to topics. Durable when it returns: every replica in sync has the record, and retries repeat none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError, KafkaTimeoutError

from eventflow.errors import InvalidMessageError, UnavailableError
from eventflow_kafka.faults import translated

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from eventflow.model.destinations import OutboundMessage
    from eventflow_kafka.environment import Environment

SEND_SECONDS: Final = 30.0
"""An idempotent producer tries for ever. What is given up here may still arrive, and twice if it is sent again."""
TOMBSTONE: Final = "eventflow.tombstone"
"""A message with this attribute, a key and an empty body has no value, which deletes its key from a compacted topic.
The attribute itself is not sent. Without it an empty body is an empty value."""


async def open_topic_sink(env: Environment, name: str) -> KafkaSink:
    """Raises ResourceNotFoundError if the topic does not exist, UnavailableError, AccessDeniedError."""
    sink = KafkaSink(env, name)
    await sink.check()
    return sink


class KafkaSink:
    """A DestinationSink that produces to one topic: attributes become headers. Records with a key go to the partition
    that Kafka's own clients choose for it."""

    def __init__(self, env: Environment, name: str) -> None:
        self._env = env
        self._resource = f"kafka:{name}"
        self._topic = env.topic(name)

    @property
    def arn(self) -> str:
        """The topic's ARN in MSK; ``kafka://topic``, which is how Lambda writes such a destination, elsewhere."""
        cluster = self._env.options.cluster_arn
        return f"{cluster.replace(':cluster/', ':topic/', 1)}/{self._topic}" if cluster else f"kafka://{self._topic}"

    async def check(self) -> None:
        """Raises ResourceNotFoundError if there is no such topic."""
        await self._env.cluster.partitions(self._topic, resource=self._resource)

    async def send(self, message: OutboundMessage) -> None:
        key = message.key.encode() if isinstance(message.key, str) else message.key
        value = self._value(message)
        if value is None and key is None:
            raise InvalidMessageError(self._resource, "a record without a value needs a key")
        headers = [(name, _header(value)) for name, value in message.attributes.items() if name != TOMBSTONE]
        with translated(self._resource, "sending"):
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    producer = await self._env.clients.producer()
                    await self._produce(producer, key, value, headers)
            except (TimeoutError, KafkaTimeoutError) as exc:
                await self.check()  # it is tried for ever, too, if the topic is gone
                raise UnavailableError(self._resource, f"sending: no answer within {SEND_SECONDS:.0f} s") from exc

    async def aclose(self) -> None:
        """The producer belongs to the environment."""

    async def _produce(
        self, producer: AIOKafkaProducer, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        # A producer begins with every topic of the cluster, and forgets those that it was not asked to keep when it
        # looks for another: what still waits to be sent to them then has no leader any more.
        producer.client.add_topic(self._topic)
        try:
            await producer.send_and_wait(self._topic, value, key, headers=headers)
        except KafkaError:
            self._env.clients.discard(producer)
            raise

    def _value(self, message: OutboundMessage) -> bytes | None:
        if TOMBSTONE not in message.attributes:
            return message.body
        if message.body:
            raise InvalidMessageError(self._resource, f"a message with {TOMBSTONE} must have an empty body")
        return None


def _header(value: str | int | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
