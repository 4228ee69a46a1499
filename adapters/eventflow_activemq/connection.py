"""One AMQP 1.0 connection: proton's protocol engine, which does no input or output of its own, on an asyncio
transport.

Everything happens on the event loop: what the broker sends is turned into calls of the links' owners before
``data_received`` returns, and what they answer is written at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol, cast

import proton
from proton import Collector, Event, Link, Transport

from eventflow_activemq.faults import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proton import Delivery, Receiver, Sender, Session

_log = logging.getLogger(__name__)

FRAME_BYTES: Final = 128 * 1024
HEARTBEATS_SECONDS: Final = 30.0
"""How soon to look again while nobody wants heartbeats."""
LINK_EVENTS: Final = frozenset(
    {Event.DELIVERY, Event.LINK_FLOW, Event.LINK_REMOTE_OPEN, Event.LINK_REMOTE_CLOSE, Event.LINK_REMOTE_DETACH}
)
GOODBYE_SECONDS: Final = 2.0
"""How long the broker may take to answer a goodbye."""


class LinkOwner(Protocol):
    """Who is told of what happens to a link. None of these may raise."""

    def on_opened(self) -> None:
        """The broker has the link."""

    def on_credit(self) -> None:
        """The other side gave credit, or used or returned what it was given."""

    def on_delivery(self, delivery: Delivery) -> None:
        """A message came, or what became of one was said."""

    def on_closed(self, error: BrokerError) -> None:
        """The link is gone, perhaps with its connection. Nothing more is said of it."""


class Connection(asyncio.Protocol):
    """A connection, from its first byte on. ``on_lost`` is called once, when it ended for whatever reason."""

    def __init__(
        self,
        host: str,
        *,
        username: str | None,
        password: str | None,
        container: str,
        heartbeat_seconds: float,
        on_lost: Callable[[Connection], None],
    ) -> None:
        """Without a ``username`` the broker is told of none. A broker that says nothing for ``heartbeat_seconds`` is
        gone."""
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._on_lost = on_lost
        self._error: BrokerError | None = None
        self._wire: asyncio.Transport | None = None
        self._paused = self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._links: dict[str, LinkOwner] = {}
        self._number = 0
        self._events = Collector()
        self._connection = proton.Connection()
        self._connection.collect(self._events)
        self._connection.container = container
        self._connection.hostname = host
        self._engine = Transport()
        self._engine.idle_timeout = heartbeat_seconds
        self._engine.max_frame_size = FRAME_BYTES
        sasl = self._engine.sasl()
        sasl.allow_insecure_mechs = True  # asyncio encrypts, of which the engine knows nothing
        if username is None:
            sasl.allowed_mechs("ANONYMOUS")
        else:
            sasl.allowed_mechs("PLAIN")
            self._connection.user, self._connection.password = username, password or ""
        self._engine.bind(self._connection)
        self._connection.open()

    @property
    def error(self) -> BrokerError | None:
        """Why it ended; ``None`` while it lives."""
        return self._error

    def session(self) -> Session:
        """A session, begun."""
        session = self._connection.session()
        session.open()
        return session

    def receiver(self, session: Session, owner: LinkOwner) -> Receiver:
        """A link for messages to come; its owner says from where, and opens it."""
        receiver: Receiver = session.receiver(self._link_name())
        self._links[receiver.name] = owner
        return receiver

    def sender(self, session: Session, owner: LinkOwner) -> Sender:
        """A link for messages to send; its owner says where to, and opens it."""
        sender: Sender = session.sender(self._link_name())
        self._links[sender.name] = owner
        return sender

    def forget(self, link: Link) -> None:
        """Tell its owner nothing more."""
        self._links.pop(link.name, None)

    def flush(self) -> None:
        """Write what the engine has to say. Called after everything that was done to a session, link or delivery."""
        if self._writing or self._error is not None:
            return
        self._writing = True
        try:
            self._handle_events()
            self._write()
        finally:
            self._writing = False

    async def aclose(self) -> None:
        """Say goodbye, and hang up."""
        if self._error is None and self._wire is not None:
            self._connection.close()
            self.flush()
            await asyncio.wait((self.ended,), timeout=GOODBYE_SECONDS)
        self.abort(BrokerError("", "the connection is closed"))

    def abort(self, error: BrokerError) -> None:
        """Hang up. Idempotent."""
        if self._error is not None:
            return
        self._error = error
        if self._timer is not None:
            self._timer.cancel()
        if self._wire is not None:
            self._wire.abort()
        if not self.opened.done():
            self.opened.set_exception(error)
            self.opened.exception()  # whoever waits for it gets it; nobody has to
        self.ended.set_result(None)
        owners, self._links = list(self._links.values()), {}
        for owner in owners:
            owner.on_closed(error)
        self._on_lost(self)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)  # uvloop's are no instances of it
        self._beat()

    def data_received(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._error is None:
            capacity = self._engine.capacity()
            if capacity <= 0:
                self.abort(BrokerError("", "the broker sends more than the protocol allows"))
                return
            self._engine.push(bytes(view[:capacity]))
            view = view[capacity:]
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort(BrokerError("", f"the connection was lost ({exc})" if exc else "the broker hung up"))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush()

    # The engine.

    def _link_name(self) -> str:
        self._number += 1
        return f"{self._connection.container}-{self._number}"

    def _write(self) -> None:
        while self._wire is not None and not self._paused and self._error is None:
            pending = self._engine.pending()
            if pending <= 0:
                if pending < 0:
                    self.abort(BrokerError.of(self._engine.condition, "the connection was closed"))
                return
            data = self._engine.peek(pending)
            if not data:
                return
            self._wire.write(data)
            self._engine.pop(len(data))
            self._handle_events()

    def _beat(self) -> None:
        """Keep heartbeats going: theirs are expected, ours are due."""
        now = asyncio.get_running_loop().time()
        due = self._engine.tick(now)
        self.flush()
        self._schedule_beat(due - now if due else HEARTBEATS_SECONDS)

    def _schedule_beat(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._error is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._beat)

    def _handle_events(self) -> None:
        while self._error is None and self._handle_next():
            self._events.pop()

    def _handle_next(self) -> bool:
        """Whether there was one. It is let go of before the engine lets go of it: see eventflow_activemq.reader."""
        event = self._events.peek()
        if event is not None:
            self._handle(event)
        return event is not None

    def _handle(self, event: Event) -> None:
        kind = event.type
        if kind in LINK_EVENTS and event.link is not None:
            self._handle_link(event, event.link)
        elif kind == Event.CONNECTION_REMOTE_OPEN:
            self._schedule_beat(0.0)  # the broker has said by when it wants to hear of us
            if not self.opened.done():
                self.opened.set_result(None)
        elif kind == Event.CONNECTION_REMOTE_CLOSE:
            self.abort(BrokerError.of(self._connection.remote_condition, "the broker closed the connection"))
        elif kind == Event.TRANSPORT_ERROR:
            self.abort(BrokerError.of(self._engine.condition, "the connection failed"))
        elif kind == Event.SESSION_REMOTE_CLOSE and event.session is not None:
            self._session_closed(event.session)

    def _handle_link(self, event: Event, link: Link) -> None:
        kind, owner = event.type, self._links.get(link.name)
        if kind in (Event.LINK_REMOTE_CLOSE, Event.LINK_REMOTE_DETACH):
            self._link_closed(link, BrokerError.of(link.remote_condition, "the broker closed the link"))
        elif owner is None:
            return
        elif kind == Event.DELIVERY and event.delivery is not None:
            owner.on_delivery(event.delivery)
        elif kind == Event.LINK_FLOW:
            owner.on_credit()
        elif kind == Event.LINK_REMOTE_OPEN:
            owner.on_opened()

    def _link_closed(self, link: Link, error: BrokerError) -> None:
        owner = self._links.pop(link.name, None)
        link.close()
        if owner is not None:
            owner.on_closed(error)

    def _session_closed(self, session: Session) -> None:
        self._close_links(session, BrokerError.of(session.remote_condition, "the broker ended the session"))
        session.close()
        session.free()

    def _close_links(self, session: Session, error: BrokerError) -> None:
        for link in [link for link in self._open_links() if link.session == session]:
            self._link_closed(link, error)

    def _open_links(self) -> list[Link]:
        links: list[Link] = []
        link = self._connection.link_head(proton.Endpoint.LOCAL_ACTIVE)
        while link is not None:
            links.append(link)
            link = link.next(proton.Endpoint.LOCAL_ACTIVE)
        return links
