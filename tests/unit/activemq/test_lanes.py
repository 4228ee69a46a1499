"""Whose proton's objects are, and what becomes of sessions."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, cast

import pytest
from proton import Delivery, Link

from eventflow_activemq.brokers import Brokers
from eventflow_activemq.connection import Connection
from eventflow_activemq.faults import BrokerError
from eventflow_activemq.lane import Lane
from eventflow_activemq.producer import Producer
from tests.unit.activemq.peer import Peer

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

Result = TypeVar("Result")
ObjectsAlive = Callable[[], int]


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    yield peer
    peer.connection.abort(BrokerError("", "the test is over"))


@pytest.fixture
def objects_alive() -> ObjectsAlive:
    """Counts proton's objects that this test made."""
    gc.collect()
    others = proton_objects()
    return lambda: sum(one not in others for one in proton_objects())


def proton_objects() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, Link | Delivery)]


class OneBroker:
    """What a producer connects by."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def connect(self, on_lost: Callable[[Connection], None]) -> Connection:
        return self._peer.connection


def lane_of(peer: Peer, closed: list[Lane] | None = None) -> Lane:
    told: list[Lane] = [] if closed is None else closed
    return Lane(peer.connection, "orders", None, on_closed=told.append, on_rest=told.append)


def producer_of(peer: Peer) -> Producer:
    return Producer(cast("Brokers", OneBroker(peer)))


async def while_talking(peer: Peer, doing: Awaitable[Result]) -> Result:
    """Let the peer talk until it is done."""
    task = asyncio.ensure_future(doing)
    while not task.done():
        await asyncio.sleep(0)
        peer.talk()
    return task.result()


async def received(peer: Peer, lane: Lane, *texts: str) -> list[int]:
    """The numbers of messages that are sent to a lane."""
    await while_talking(peer, lane.opened())
    receiving = asyncio.ensure_future(lane.receive(len(texts), 1))
    await asyncio.sleep(0)
    peer.talk()
    peer.send(*texts)
    return [number for _, number in await while_talking(peer, receiving)]


async def test_who_holds_messages_of_a_lane_that_ended_holds_nothing_of_protons(
    peer: Peer, objects_alive: ObjectsAlive
) -> None:
    lane = lane_of(peer)
    held = await received(peer, lane, "a", "b")
    assert objects_alive() >= 3
    lane.end()
    peer.talk()
    assert peer.ended_sessions == 1
    assert held == [1, 2]
    assert lane.closed
    assert objects_alive() == 0


async def test_nor_while_an_acknowledgement_is_waited_for(peer: Peer, objects_alive: ObjectsAlive) -> None:
    lane = lane_of(peer)
    accepting = asyncio.ensure_future(lane.accept(await received(peer, lane, "a", "b")))
    await asyncio.sleep(0)
    peer.end_sessions()
    assert objects_alive() == 0
    with pytest.raises(BrokerError, match="ended the session"):
        await accepting


async def test_a_lane_whose_link_the_broker_closes_ends_its_session(peer: Peer, objects_alive: ObjectsAlive) -> None:
    closed: list[Lane] = []
    lane = lane_of(peer, closed)
    await while_talking(peer, lane.opened())
    peer.close_links()
    assert closed == [lane]
    assert peer.ended_sessions == 1
    assert objects_alive() == 0
    assert peer.connection.error is None


async def test_a_lane_whose_connection_ends_as_it_is_opened_is_closed(peer: Peer) -> None:
    peer.break_off()
    lane = lane_of(peer)
    with pytest.raises(BrokerError):
        await lane.opened()
    assert lane.closed
    assert peer.lost == [peer.connection]


async def test_a_producer_whose_session_the_broker_ends_begins_another(peer: Peer, objects_alive: ObjectsAlive) -> None:
    producer = producer_of(peer)
    first = await while_talking(peer, producer.link("orders"))
    peer.takes = False
    sending = asyncio.ensure_future(first.send(b"a"))
    await asyncio.sleep(0)
    peer.end_sessions()
    assert objects_alive() == 0
    peer.takes = True
    with pytest.raises(BrokerError, match="ended the session"):
        await sending
    second = await while_talking(peer, producer.link("orders"))
    assert second is not first
    await while_talking(peer, second.send(b"b"))
    assert peer.taken == [b"b"]
