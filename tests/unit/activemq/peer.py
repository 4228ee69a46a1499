"""A broker in memory, for what a real one does too rarely: proton's other end of a connection."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import proton
from proton import Collector, Delivery, Endpoint, Event, Link, Message, Session, Transport

from eventflow_activemq.connection import Connection

OPEN: Final = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


class Wire(asyncio.Transport):
    """What a connection writes, kept until it is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        """Nobody is at the other end."""


class Peer:
    """Accepts whatever is opened, and answers what is closed. Nothing happens but in ``talk``."""

    def __init__(self) -> None:
        self.lost: list[Connection] = []
        self.connection = Connection(
            "broker", username=None, password=None, container="test", heartbeat_seconds=0, on_lost=self.lost.append
        )
        self.ended_sessions = 0
        self.takes = True
        self.taken: list[bytes] = []
        self._wire = Wire()
        self._collector = Collector()
        self._engine = Transport(Transport.SERVER)
        self._engine.sasl().allowed_mechs("ANONYMOUS")
        self._peer = proton.Connection()
        self._peer.collect(self._collector)
        self._engine.bind(self._peer)
        self.connection.connection_made(self._wire)
        self.talk()

    def send(self, *texts: str) -> None:
        """To the link that reads."""
        for link in self._links():
            for text in texts:
                link.delivery(text)
                link.stream(Message(body=text, id=text).encode())
                link.advance()
        self.talk()

    def close_links(self) -> None:
        for link in self._links():
            link.close()
        self.talk()

    def end_sessions(self) -> None:
        """Without closing the links on them first."""
        for link in self._links():
            link.session.close()
        self.talk()

    def break_off(self) -> None:
        """Have the engine see an end of the connection that nobody was told of yet."""
        self.connection._engine.close_tail()

    def talk(self) -> None:
        """Carry everything to and fro until nobody has more to say."""
        while self._hear() or self._say():
            pass

    def _links(self) -> list[Link]:
        found: list[Link] = []
        link = self._peer.link_head(OPEN)
        while link is not None:
            found.append(link)
            link = link.next(OPEN)
        return found

    def _hear(self) -> bool:
        data, self._wire.written = bytes(self._wire.written), bytearray()
        if data:
            self._engine.push(data)
        while (event := self._collector.peek()) is not None:
            self._answer(event)
            self._collector.pop()
        return bool(data)

    def _answer(self, event: Event) -> None:
        if event.type in (Event.CONNECTION_REMOTE_OPEN, Event.SESSION_REMOTE_OPEN):
            cast("Session", event.context).open()
        elif event.type == Event.LINK_REMOTE_OPEN and event.link is not None:
            self._open(event.link)
        elif event.type == Event.DELIVERY and event.delivery is not None and event.delivery.readable:
            if self.takes:
                self._take(event.delivery)
        elif event.type == Event.SESSION_REMOTE_CLOSE and event.session is not None:
            self.ended_sessions += 1
            event.session.close()

    def _open(self, link: Link) -> None:
        link.source.address = link.remote_source.address or ""
        link.target.address = link.remote_target.address or ""
        link.open()
        if link.is_receiver:
            link.flow(100)

    def _take(self, delivery: Delivery) -> None:
        self.taken.append(delivery.link.recv(delivery.pending) or b"")
        delivery.link.advance()
        delivery.update(Delivery.ACCEPTED)
        delivery.settle()

    def _say(self) -> bool:
        pending = self._engine.pending()
        if pending <= 0:
            return False
        data = self._engine.peek(pending) or b""
        self._engine.pop(len(data))
        self.connection.data_received(data)
        return True
