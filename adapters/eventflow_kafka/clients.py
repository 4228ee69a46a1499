"""Makes aiokafka's clients, and closes them without waiting for brokers that do not answer."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from eventflow_kafka.faults import DENIED
from eventflow_kafka.refusals import refusal

if TYPE_CHECKING:
    from types import TracebackType

    from eventflow_kafka.options import KafkaOptions

_log = logging.getLogger(__name__)

HEARTBEATS_PER_SESSION: Final = 6
CLOSE_SECONDS: Final = 5.0
"""How long leaving waits for clients that say goodbye to their brokers."""
RETIRE_SECONDS: Final = 60.0
"""The same for clients that are replaced while the environment is open."""
HANG_UP_SECONDS: Final = 2.0
FETCH_WAIT_SECONDS: Final = 0.2
"""How long a broker keeps a fetch that finds nothing. A partition that was paused meanwhile waits for the next one."""
FETCH_BYTES: Final = 16 * 1024 * 1024
LARGEST_REQUEST_BYTES: Final = 64 * 1024 * 1024
"""Below the brokers' own limit (100 MB), above which they hang up without a word. What a topic takes, it says."""
METADATA_SECONDS: Final = 60.0
"""How soon a partition that is added to a topic is noticed."""
RETRY_SECONDS: Final = 0.25


class Clients:
    """The clients of one environment. Entered and left with the adapter."""

    def __init__(self, options: KafkaOptions, security: dict[str, Any]) -> None:
        self._options = options
        self._security = security
        self._common = {
            **security,
            "bootstrap_servers": list(options.bootstrap_servers),
            "client_id": options.client_id,
            "retry_backoff_ms": _ms(RETRY_SECONDS),
            "metadata_max_age_ms": _ms(METADATA_SECONDS),
            # Joining a group is a request that lasts as long as the others take to give up their partitions.
            "request_timeout_ms": _ms(options.rebalance_timeout_seconds + 10),
        }
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._producer is not None:
            self.retire(self._producer)
        await self._closed()

    @property
    def heartbeat_seconds(self) -> float:
        """How often a member of a group shows that it is there, and learns of a rebalance."""
        return min(3.0, self._options.session_timeout_seconds / HEARTBEATS_PER_SESSION)

    def member(self, group: str) -> AIOKafkaConsumer:
        """A consumer that can join a group. Commits are its owner's business."""
        return AIOKafkaConsumer(
            **self._common,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=_ms(FETCH_WAIT_SECONDS),
            fetch_max_bytes=FETCH_BYTES,
            session_timeout_ms=_ms(self._options.session_timeout_seconds),
            rebalance_timeout_ms=_ms(self._options.rebalance_timeout_seconds),
            heartbeat_interval_ms=_ms(self.heartbeat_seconds),
            # Java's default: a group may move from there to here member by member.
            partition_assignment_strategy=(RangePartitionAssignor,),
            isolation_level="read_committed",
        )

    def observer(self) -> AIOKafkaConsumer:
        """A consumer without a group, to ask for offsets."""
        return AIOKafkaConsumer(**self._common, isolation_level="read_committed")

    def committer(self, group: str) -> AIOKafkaConsumer:
        """A consumer that commits for a group that nobody has joined."""
        return AIOKafkaConsumer(
            **self._common, group_id=group, enable_auto_commit=False, isolation_level="read_committed"
        )

    def admin(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(**self._common)

    async def producer(self) -> AIOKafkaProducer:
        """The one producer, started. What a message of it costs, all messages under way share."""
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._common, acks="all", enable_idempotence=True, max_request_size=LARGEST_REQUEST_BYTES
                )
                try:
                    await producer.start()
                except BaseException:
                    self.retire(producer)
                    raise
                self._producer = producer
            return self._producer

    def discard(self, producer: AIOKafkaProducer) -> None:
        """Replace a producer for the next message: after a refusal, its sequence numbers have a gap."""
        if self._producer is producer:
            self._producer = None
        self.retire(producer)

    async def check_token(self) -> None:
        """Raises what a broker says that refuses our token: aiokafka takes it for a welcome."""
        if self._security.get("sasl_mechanism") == "OAUTHBEARER":
            refused = await self.refusal()
            if isinstance(refused, DENIED):
                raise refused

    async def refusal(self) -> Exception | None:
        """Why the first broker does not take us."""
        server = self._options.bootstrap_servers[0]
        return await refusal(server, self._security, client_id=self._options.client_id)

    def retire(self, client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> asyncio.Task[None]:
        """Close a client in the background: brokers that are away may keep it for a while."""
        task = asyncio.ensure_future(_close(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _closed(self) -> None:
        if self._closing:
            _, late = await asyncio.wait(self._closing, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


async def _close(client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> None:
    """Close a client, in order if that takes no longer than RETIRE_SECONDS and is not cancelled before."""
    stopping = asyncio.ensure_future(client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
    try:
        await asyncio.wait([stopping], timeout=RETIRE_SECONDS)
    finally:
        if not stopping.done():
            await _hang_up(client)
            await asyncio.wait([stopping], timeout=HANG_UP_SECONDS)
        if not stopping.done():
            stopping.cancel()
        elif not stopping.cancelled() and (error := stopping.exception()) is not None:
            _log.debug("a Kafka client did not close in order: %s", error)  # nothing depends on it any more


async def _hang_up(client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> None:
    """Let nobody wait for answers. aiokafka itself would wait for them as long as brokers may come back."""
    if isinstance(client, AIOKafkaProducer):
        if client._sender.sender_task is not None:
            client._sender.sender_task.cancel()
        await client.client.close()
    else:
        await client._client.close()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
