"""What a cluster says of its topics and groups, asked from outside of any group."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import GroupLoadInProgressError, KafkaConnectionError, KafkaError

from eventflow.errors import ResourceNotFoundError, UnavailableError
from eventflow_kafka.faults import CREATE_TOPIC, translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    from eventflow_kafka.clients import Clients

    T = TypeVar("T")

ASK_SECONDS: Final = 15.0
"""How long one question may take, with everything that is tried again: leaders and coordinators move."""
AGAIN_SECONDS: Final = 0.25


class Committed(NamedTuple):
    """A group's offset of one partition, and the text that was committed with it."""

    offset: int
    text: str


class _Asking(NamedTuple):
    admin: AIOKafkaAdminClient
    observer: AIOKafkaConsumer


class Cluster:
    """Asks about topics and groups, with one pair of clients for the whole environment.

    Every method raises UnavailableError, AccessDeniedError, ResourceNotFoundError; ``resource`` is whom errors name.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._asking: _Asking | None = None
        self._starting = asyncio.Lock()

    def close(self) -> None:
        """The clients close in the background."""
        if self._asking is not None:
            self._retire(self._asking)

    async def partitions(self, topic: str, *, resource: str) -> list[TopicPartition]:
        """Every partition of a topic. Asking makes no topic."""

        async def ask(asking: _Asking) -> list[TopicPartition]:
            known = asking.observer.partitions_for_topic(topic)
            if known is None:
                # To ask for one topic by its name would make it, where brokers are told to make topics.
                listed = {found["topic"]: found["partitions"] for found in await asking.admin.describe_topics()}
                known = {found["partition"] for found in listed.get(topic, ())}
            return [TopicPartition(topic, number) for number in sorted(known)]

        found = await self._ask(ask, resource, "looking for the topic")
        if not found:
            raise ResourceNotFoundError(resource, f"topic {topic} does not exist", mend=CREATE_TOPIC)
        return found

    async def committed(
        self, group: str, partitions: Collection[TopicPartition], *, resource: str
    ) -> dict[TopicPartition, Committed]:
        """What a group has committed of these partitions; those without are left out."""

        async def ask(asking: _Asking) -> dict[TopicPartition, Committed]:
            found = await asking.admin.list_consumer_group_offsets(group, partitions=list(partitions))
            if found.keys() < set(partitions):
                # A coordinator that is still starting answers with an error for the whole group, which aiokafka takes
                # for an answer without partitions: as if nothing had ever been committed.
                raise GroupLoadInProgressError(f"the offsets of {group} are not there yet")
            return {
                partition: Committed(entry.offset, entry.metadata or "")
                for partition, entry in found.items()
                if entry.offset >= 0
            }

        return await self._ask(ask, resource, f"reading the offsets of group {group}")

    async def beginning(self, partitions: Iterable[TopicPartition], *, resource: str) -> dict[TopicPartition, int]:
        """The offset of the oldest record of each."""
        wanted = list(partitions)
        return await self._ask(lambda asking: asking.observer.beginning_offsets(wanted), resource, "reading offsets")

    async def end(self, partitions: Iterable[TopicPartition], *, resource: str) -> dict[TopicPartition, int]:
        """The offset that the next record of each will have."""
        wanted = list(partitions)
        return await self._ask(lambda asking: asking.observer.end_offsets(wanted), resource, "reading offsets")

    async def at(
        self, partitions: Iterable[TopicPartition], *, timestamp: float, resource: str
    ) -> dict[TopicPartition, int]:
        """The offset of the first record of each that arrived at ``timestamp`` (epoch seconds) or later, else its
        end."""
        wanted = dict.fromkeys(partitions, round(timestamp * 1000))
        # The end first: what comes between the two questions is found by the second.
        ends = await self.end(wanted, resource=resource)
        found = await self._ask(lambda asking: asking.observer.offsets_for_times(wanted), resource, "reading offsets")
        return {
            partition: ends[partition] if found[partition] is None else found[partition].offset for partition in wanted
        }

    async def commit(self, group: str, offsets: Mapping[TopicPartition, Committed], *, resource: str) -> None:
        """Commit for a group that has no members. Raises LeaseLostError if it has some."""
        committer = self._clients.committer(group)
        try:
            with translated(resource, f"committing the start of group {group}"):
                async with asyncio.timeout(ASK_SECONDS):
                    await committer.start()
                    committer.assign(list(offsets))
                    committer.pause(*offsets)
                    await committer.commit({partition: tuple(entry) for partition, entry in offsets.items()})
        finally:
            self._clients.retire(committer)

    async def _ask(self, question: Callable[[_Asking], Awaitable[T]], resource: str, doing: str) -> T:
        try:
            with translated(resource, doing):
                async with asyncio.timeout(ASK_SECONDS) as limit:
                    return await self._again_and_again(question, limit)
        except UnavailableError:
            self._start_anew()
            raise

    async def _again_and_again(self, question: Callable[[_Asking], Awaitable[T]], limit: asyncio.Timeout) -> T:
        loop = asyncio.get_running_loop()
        while True:
            asking = await self._started()
            try:
                return await question(asking)
            except KafkaError as exc:
                left = (limit.when() or 0) - loop.time()
                if not exc.retriable or left < 2 * AGAIN_SECONDS:
                    raise
            await asyncio.sleep(AGAIN_SECONDS)

    async def _started(self) -> _Asking:
        async with self._starting:
            if self._asking is None:
                await self._clients.check_token()
                asking = _Asking(self._clients.admin(), self._clients.observer())
                try:
                    await asking.admin.start()
                    await asking.observer.start()
                except KafkaConnectionError:
                    self._retire(asking)
                    if (refusal := await self._clients.refusal()) is not None:
                        raise refusal from None
                    raise
                except BaseException:
                    self._retire(asking)
                    raise
                self._asking = asking
            return self._asking

    def _start_anew(self) -> None:
        """A client knows only the brokers it has met; those may be gone for good."""
        if self._asking is not None:
            self._retire(self._asking)
            self._asking = None

    def _retire(self, asking: _Asking) -> None:
        self._clients.retire(asking.admin)
        self._clients.retire(asking.observer)
