from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError, NotCoordinatorForGroupError, TopicAuthorizationFailedError

from eventflow.errors import AccessDeniedError, UnavailableError
from eventflow_kafka.clients import Clients
from eventflow_kafka.cluster import Cluster, Committed
from eventflow_kafka.options import KafkaOptions

ORDERS = [TopicPartition("orders", 0), TopicPartition("orders", 1)]
NOTHING = OffsetAndMetadata(-1, "")


class ScriptedAdmin:
    """Gives one answer after the other; the last one for ever."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self._answers = deque(answers)

    async def start(self) -> None: ...

    async def list_consumer_group_offsets(self, group: str, *, partitions: list[TopicPartition]) -> Any:
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, KafkaError):
            raise answer
        return answer


class ScriptedClients(Clients):
    """Clients that connect to nothing."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(KafkaOptions(bootstrap_servers=("b-1:9092",)), {})
        self.answers = answers
        self.made = 0

    def admin(self) -> Any:
        self.made += 1
        return ScriptedAdmin(self.answers)

    def observer(self) -> Any:
        return ScriptedAdmin(())

    def retire(self, client: object) -> Any:
        return None


async def committed(*answers: Any) -> dict[TopicPartition, Committed]:
    return await Cluster(ScriptedClients(*answers)).committed("g", ORDERS, resource="kafka:orders")


async def test_offsets_of_partitions_without_a_commit_are_left_out() -> None:
    assert await committed({ORDERS[0]: OffsetAndMetadata(5, "text"), ORDERS[1]: NOTHING}) == {
        ORDERS[0]: Committed(5, "text")
    }


async def test_an_answer_without_the_partitions_is_no_answer() -> None:
    found = await committed({}, {ORDERS[0]: OffsetAndMetadata(5, ""), ORDERS[1]: NOTHING})
    assert found == {ORDERS[0]: Committed(5, "")}
    with pytest.raises(UnavailableError, match="not there yet"):
        await committed({})


async def test_a_coordinator_that_moves_is_asked_again() -> None:
    assert await committed(NotCoordinatorForGroupError(), dict.fromkeys(ORDERS, NOTHING)) == {}


async def test_what_is_denied_is_not_asked_again() -> None:
    with pytest.raises(AccessDeniedError):
        await committed(TopicAuthorizationFailedError("orders"), dict.fromkeys(ORDERS, NOTHING))


async def test_clients_are_made_anew_after_a_cluster_was_away() -> None:
    clients = ScriptedClients(NotCoordinatorForGroupError())
    cluster = Cluster(clients)
    for made in (1, 2):
        with pytest.raises(UnavailableError):
            await cluster.committed("g", ORDERS, resource="kafka:orders")
        assert clients.made == made
