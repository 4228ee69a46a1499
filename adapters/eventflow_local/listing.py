"""What there is in the embedded environment, for ``eventflow list``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from eventflow.model.destinations import Service
from eventflow.ports import ResourceStatus
from eventflow_local.message_queues import message_queue_named
from eventflow_local.queue_engine import resource_of
from eventflow_local.queues import queue_named

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from eventflow_local.services import Environment


async def resources(env: Environment) -> list[ResourceStatus]:
    """Every resource and its figures, sorted by name."""
    now = env.database.clock.time()

    def work(connection: sqlite3.Connection) -> list[ResourceStatus]:
        listers = (_queues, _subscribed, _logs, _event_queues)
        return [status for lister in listers for status in lister(env, connection, now)]

    return sorted(await env.database.run(work), key=lambda status: status.resource)


def _queues(env: Environment, connection: sqlite3.Connection, now: float) -> Iterator[ResourceStatus]:
    for (name,) in connection.execute("SELECT name FROM queues").fetchall():
        resource = resource_of(name)
        service, _, logical = resource.partition(":")
        opened = queue_named if service == Service.SQS else partial(message_queue_named, Service(service))
        counts = opened(env.settings, env.options, logical).counts(connection, now=now)
        figures = {"visible": counts.visible, "in flight": counts.in_flight, "delayed": counts.delayed}
        yield ResourceStatus(resource=resource, figures=figures)


def _subscribed(env: Environment, connection: sqlite3.Connection, now: float) -> Iterator[ResourceStatus]:
    """Topics, buses, buckets and schedules that somebody subscribed to."""
    for resource, subscriptions, waiting in connection.execute(
        "SELECT service || ':' || name, count(DISTINCT subscriptions.id), count(notifications.id) FROM subscriptions"
        " LEFT JOIN notifications ON notifications.subscription = subscriptions.id GROUP BY service, name"
    ):
        yield ResourceStatus(resource=resource, figures={"subscriptions": subscriptions, "waiting": waiting})


def _logs(env: Environment, connection: sqlite3.Connection, now: float) -> Iterator[ResourceStatus]:
    """Streams, tables and Kafka topics."""
    for resource, partitions, records in connection.execute(
        "SELECT log, count(DISTINCT log_partitions.id), count(position) FROM log_partitions"
        " LEFT JOIN log_records ON partition_id = log_partitions.id GROUP BY log"
    ):
        yield ResourceStatus(resource=resource, figures={"partitions": partitions, "records": records})


def _event_queues(env: Environment, connection: sqlite3.Connection, now: float) -> Iterator[ResourceStatus]:
    """Where asynchronous events wait."""
    for name, waiting, scheduled, claimed in connection.execute(
        "SELECT queue, count(*) FILTER (WHERE claimant IS NULL AND due_at <= ?1),"
        " count(*) FILTER (WHERE claimant IS NULL AND due_at > ?1), count(claimant) FROM events GROUP BY queue",
        (now,),
    ):
        figures = {"waiting": waiting, "scheduled": scheduled, "claimed": claimed}
        yield ResourceStatus(resource=f"event queue:{name}", figures=figures)
