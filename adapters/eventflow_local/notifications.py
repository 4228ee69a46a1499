"""The outbox of topics, buses, buckets and schedules: events on their way to the functions that subscribed."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from uuid import NAMESPACE_URL, uuid5

import anyio

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import BucketNotification, BusRule, ScheduleRule, TopicSubscription

if TYPE_CHECKING:
    import sqlite3

    from eventflow.model.records import SourceIdentity
    from eventflow.model.subscriptions import NotificationSubscription
    from eventflow.ports import Deliver
    from eventflow_local.database import Database
    from eventflow_local.owners import Owner

READ_LIMIT: Final = 10
"""Events that a source holds in memory at once."""
TAKE_OVER_SECONDS: Final = 1.0
"""How often a source looks whether the process that delivers in its place is gone."""
SETTLING_SECONDS: Final = 10.0
"""How long after the start of a source the app has surely registered all it declares."""
FIRST_BACKOFF_SECONDS: Final = 0.5
LONGEST_BACKOFF_SECONDS: Final = 30.0

SERVICES: Final[dict[type[NotificationSubscription], Service]] = {
    TopicSubscription: Service.SNS,
    BusRule: Service.EVENTBRIDGE,
    BucketNotification: Service.S3,
    ScheduleRule: Service.SCHEDULE,
}

_log = logging.getLogger(__name__)

S = TypeVar("S", TopicSubscription, BusRule, BucketNotification, ScheduleRule)


@dataclass(frozen=True, slots=True)
class Registered(Generic[S]):
    """A subscription in the database. ``id`` is what :func:`enqueue` takes."""

    id: str
    subscription: S

    @property
    def uuid(self) -> str:
        """Stable for the subscription's life; AWS ends subscription ARNs with one."""
        return str(uuid5(NAMESPACE_URL, self.id))


def subscription_id(subscription: NotificationSubscription) -> str:
    """The same for the same declaration, in every process and after every restart."""
    settings = json.dumps(asdict(subscription), sort_keys=True).encode()
    service = SERVICES[type(subscription)]
    return f"{service}:{subscription.name}:{subscription.subscriber}:{hashlib.sha256(settings).hexdigest()[:12]}"


def channel(subscription: str) -> str:
    """What to ``notify`` in this process after enqueueing for a subscription."""
    return f"notifications:{subscription}"


def enqueue(connection: sqlite3.Connection, subscription: str, payload: bytes, due_at: float) -> None:
    """Store an event (JSON text, as Lambda would get it) for a subscription, within the caller's transaction."""
    connection.execute(
        "INSERT INTO notifications (subscription, due_at, payload) VALUES (?, ?, ?)", (subscription, due_at, payload)
    )


def registered(connection: sqlite3.Connection, kind: type[S], name: str) -> list[Registered[S]]:
    """Everybody who subscribed to one topic, bus, bucket or schedule."""
    rows = connection.execute(
        "SELECT id, settings FROM subscriptions WHERE service = ? AND name = ? ORDER BY id", (SERVICES[kind], name)
    )
    return [Registered(identifier, kind(**_settings(text))) for identifier, text in rows]


def backlog(connection: sqlite3.Connection, subscription: str) -> int:
    """How many events wait for a subscription, due or not."""
    row = connection.execute("SELECT count(*) FROM notifications WHERE subscription = ?", (subscription,)).fetchone()
    return int(row[0])


class NotificationQueue:
    """Registers subscriptions and delivers what was enqueued for them: in order, at least once, by one process
    at a time."""

    def __init__(self, database: Database, owner: Owner) -> None:
        self._database = database
        self._owner = owner

    async def register(self, subscription: NotificationSubscription) -> str:
        """From now on events of this subscription are kept, also while no app runs. Returns its id."""
        identifier = subscription_id(subscription)
        await self._database.run(partial(_register, subscription, identifier, self._owner.id))
        return identifier

    async def run_source(self, subscription: str, deliver: Deliver) -> None:
        """Deliver the events of a subscription until cancelled.

        A little later, subscriptions of the same function that no living process has registered end: they are
        not declared any more.
        """
        clock, backoff = self._database.clock, FIRST_BACKOFF_SECONDS
        settled_at = clock.time() + SETTLING_SECONDS
        with self._database.listen(channel(subscription)) as changes:
            while True:
                now = clock.time()
                if now >= settled_at:
                    settled_at = math.inf
                    await self._database.run(partial(_end_undeclared, subscription, self._owner))
                rows, wait_seconds = await self._database.run(partial(_read, subscription, self._owner, now))
                if not rows:
                    await changes.wait(timeout_seconds=min(wait_seconds, settled_at - now))
                elif await self._deliver(rows, deliver):
                    backoff = FIRST_BACKOFF_SECONDS
                else:
                    await anyio.sleep(backoff)
                    backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    async def backlog(self, subscription: str) -> int:
        """How many events of a subscription are not delivered yet."""
        return await self._database.run(lambda connection: backlog(connection, subscription))

    async def release(self, subscription: str) -> None:
        """Let another process deliver."""
        await self._database.run(partial(_release, subscription, self._owner.id))

    async def _deliver(self, rows: list[tuple[int, bytes]], deliver: Deliver) -> bool:
        """Deliver in order; at the first that fails, stop. Whatever was delivered is forgotten."""
        delivered: list[tuple[int]] = []
        try:
            for identifier, payload in rows:
                await deliver(payload)
                delivered.append((identifier,))
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is delivered again later
            _log.warning("an event could not be handed over and is tried again: %s", error)
            return False
        finally:
            with anyio.CancelScope(shield=True):
                await self._database.run(partial(_forget, delivered))
        return True


class QueuedNotificationSource:
    """A NotificationSource whose events are enqueued by whoever publishes."""

    def __init__(self, queue: NotificationQueue, subscription: str, identity: SourceIdentity) -> None:
        self._queue = queue
        self._subscription = subscription
        self._identity = identity

    @property
    def identity(self) -> SourceIdentity:
        return self._identity

    async def run(self, deliver: Deliver) -> None:
        await self._queue.run_source(self._subscription, deliver)

    async def backlog(self) -> int:
        return await self._queue.backlog(self._subscription)

    async def aclose(self) -> None:
        await self._queue.release(self._subscription)


def _settings(text: str) -> dict[str, Any]:
    """JSON has no tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}


def _register(
    subscription: NotificationSubscription, identifier: str, owner: str, connection: sqlite3.Connection
) -> None:
    connection.execute(
        "INSERT INTO subscriptions (id, service, name, subscriber, settings) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            identifier,
            SERVICES[type(subscription)],
            subscription.name,
            subscription.subscriber,
            json.dumps(asdict(subscription)),
        ),
    )
    connection.execute("INSERT INTO registrations VALUES (?, ?) ON CONFLICT DO NOTHING", (identifier, owner))


def _end_undeclared(identifier: str, owner: Owner, connection: sqlite3.Connection) -> None:
    others = connection.execute(
        "SELECT id FROM subscriptions WHERE subscriber = (SELECT subscriber FROM subscriptions WHERE id = ?)",
        (identifier,),
    ).fetchall()
    for undeclared in [other for (other,) in others if not _is_declared(other, owner, connection)]:
        _end(undeclared, connection)


def _is_declared(identifier: str, owner: Owner, connection: sqlite3.Connection) -> bool:
    """Whether any living process registered a subscription; the dead ones are forgotten."""
    owners = connection.execute("SELECT owner FROM registrations WHERE subscription = ?", (identifier,)).fetchall()
    dead = [(identifier, each) for (each,) in owners if not owner.is_alive(each)]
    connection.executemany("DELETE FROM registrations WHERE subscription = ? AND owner = ?", dead)
    return len(dead) < len(owners)


def _end(identifier: str, connection: sqlite3.Connection) -> None:
    """Forget a subscription that nobody declares. If the same function still subscribes to the same resource, with
    other settings, it gets what was waiting; otherwise that is dropped, as AWS drops it."""
    row = connection.execute(
        "SELECT other.id FROM subscriptions gone JOIN subscriptions other USING (service, name, subscriber)"
        " WHERE gone.id = ? AND other.id IN (SELECT subscription FROM registrations) LIMIT 1",
        (identifier,),
    ).fetchone()
    connection.execute("DELETE FROM subscriptions WHERE id = ?", (identifier,))
    if row is not None:
        connection.execute("UPDATE notifications SET subscription = ? WHERE subscription = ?", (row[0], identifier))
        return
    dropped = connection.execute("DELETE FROM notifications WHERE subscription = ?", (identifier,)).rowcount
    if dropped:
        _log.warning("%s is not declared any more: %d waiting events were dropped", identifier, dropped)


def _read(
    identifier: str, owner: Owner, now: float, connection: sqlite3.Connection
) -> tuple[list[tuple[int, bytes]], float]:
    """The next due events, if this process may deliver them, and how long to wait if there is none."""
    if not _may_deliver(identifier, owner, connection):
        return [], TAKE_OVER_SECONDS
    rows = connection.execute(
        "SELECT id, payload FROM notifications WHERE subscription = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?",
        (identifier, now, READ_LIMIT),
    ).fetchall()
    if rows:
        return rows, 0.0
    (next_due,) = connection.execute(
        "SELECT min(due_at) FROM notifications WHERE subscription = ?", (identifier,)
    ).fetchone()
    return [], math.inf if next_due is None else next_due - now


def _may_deliver(identifier: str, owner: Owner, connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT delivered_by FROM subscriptions WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        return False
    if row[0] == owner.id:
        return True
    if row[0] is not None and owner.is_alive(row[0]):
        return False
    connection.execute("UPDATE subscriptions SET delivered_by = ? WHERE id = ?", (owner.id, identifier))
    return True


def _forget(delivered: list[tuple[int]], connection: sqlite3.Connection) -> None:
    connection.executemany("DELETE FROM notifications WHERE id = ?", delivered)


def _release(identifier: str, owner: str, connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE subscriptions SET delivered_by = NULL WHERE id = ? AND delivered_by = ?", (identifier, owner)
    )
