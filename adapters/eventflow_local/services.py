"""Which service is opened by what. A new service is a module, what it keeps (in ``schema``), and a
line in each of these tables.

The modules are imported when they are first used, so that an app pays only for the services it names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from eventflow.model.destinations import Service
from eventflow.model.mapping import StreamViewType
from eventflow.model.subscriptions import (
    BucketNotification,
    BusRule,
    NotificationSubscription,
    QueueSubscription,
    ScheduleRule,
    StreamSubscription,
    TopicSubscription,
)

if TYPE_CHECKING:
    from eventflow.ports import (
        AdapterSettings,
        DestinationSink,
        NotificationSource,
        QueueSource,
        StreamSource,
    )
    from eventflow_local.database import Database
    from eventflow_local.notifications import NotificationQueue
    from eventflow_local.options import LocalOptions
    from eventflow_local.owners import Owner
    from eventflow_local.tables import TableDescription


class Environment(NamedTuple):
    """What the services of one open environment share."""

    settings: AdapterSettings
    options: LocalOptions
    database: Database
    owner: Owner
    notifications: NotificationQueue


QueueOpener: TypeAlias = Callable[[Environment, QueueSubscription], Awaitable["QueueSource"]]
StreamOpener: TypeAlias = Callable[[Environment, StreamSubscription], Awaitable["StreamSource"]]
NotificationOpener: TypeAlias = Callable[[Environment, Any], Awaitable["NotificationSource"]]
SinkOpener: TypeAlias = Callable[[Environment, str], Awaitable["DestinationSink"]]


async def _queue(env: Environment, subscription: QueueSubscription) -> QueueSource:
    from eventflow_local import queues

    queue = await queues.open_queue(
        env.database, env.settings, env.options, subscription.name, timeout_seconds=subscription.timeout_seconds
    )
    return queues.LocalQueueSource(env.database, queue, env.settings.region)


async def _queue_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import queues

    queue = await queues.open_queue(env.database, env.settings, env.options, name)
    content_based = env.options.queue(name).content_based_deduplication
    return queues.LocalQueueSink(env.database, queue, partial(queues.new_message, content_based=content_based))


async def _message_queue(env: Environment, subscription: QueueSubscription) -> QueueSource:
    from eventflow_local import message_queues

    return await message_queues.open_message_queue_source(env.database, env.settings, env.options, subscription)


async def _message_queue_sink(service: Service, env: Environment, name: str) -> DestinationSink:
    from eventflow_local import message_queues

    return await message_queues.open_message_queue_sink(env.database, env.settings, env.options, service, name)


async def _stream(env: Environment, subscription: StreamSubscription) -> StreamSource:
    from eventflow_local import streams

    count = env.options.stream(subscription.name).shards
    return await streams.open_stream_source(env.database, env.owner, env.settings, subscription, shard_count=count)


async def _stream_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import streams

    return await streams.open_stream_sink(env.database, env.settings, name, shard_count=env.options.stream(name).shards)


def _table(env: Environment, name: str) -> TableDescription:
    from eventflow_local.tables import TableDescription

    options = env.options.table(name)
    return TableDescription(
        name=name,
        partition_key=options.partition_key,
        sort_key=options.sort_key,
        view_type=StreamViewType(options.view_type),
    )


async def _table_stream(env: Environment, subscription: StreamSubscription) -> StreamSource:
    from eventflow_local import tables

    table = _table(env, subscription.name)
    return await tables.open_table_source(env.database, env.owner, env.settings, subscription, table)


async def _table_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import tables

    return await tables.open_table_sink(env.database, env.settings, _table(env, name))


async def _kafka(env: Environment, subscription: StreamSubscription) -> StreamSource:
    from eventflow_local import kafka

    def count(topic: str) -> int:
        return env.options.kafka_topic(topic).partitions

    return await kafka.open_kafka_source(env.database, env.owner, env.settings, subscription, partition_count=count)


async def _kafka_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import kafka

    options = env.options.kafka_topic(name)
    return await kafka.open_kafka_sink(
        env.database,
        env.settings,
        name,
        partition_count=options.partitions,
        maximum_message_bytes=options.max_message_bytes,
    )


async def _changes(env: Environment, subscription: StreamSubscription) -> StreamSource:
    from eventflow_local import collections

    return await collections.open_change_source(env.database, env.owner, env.settings, subscription)


async def _collection_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import collections

    return await collections.open_collection_sink(env.database, env.settings, name)


async def _bucket(env: Environment, subscription: BucketNotification) -> NotificationSource:
    from eventflow_local import buckets

    return await buckets.open_bucket_source(
        env.database, env.notifications, env.settings, subscription, data=env.options.data
    )


async def _bucket_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import buckets

    return await buckets.open_bucket_sink(env.database, env.owner, env.settings, name, data=env.options.data)


async def _topic(env: Environment, subscription: TopicSubscription) -> NotificationSource:
    from eventflow_local import topics

    return await topics.open_topic_source(env.notifications, env.settings, subscription)


async def _topic_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import topics

    return topics.LocalTopicSink(env.database, env.settings, name)


async def _bus(env: Environment, rule: BusRule) -> NotificationSource:
    from eventflow_local import buses

    return await buses.open_bus_source(env.notifications, env.settings, rule)


async def _bus_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_local import buses

    return buses.LocalBusSink(env.database, env.settings, name)


async def _schedule(env: Environment, rule: ScheduleRule) -> NotificationSource:
    from eventflow_local import schedules

    return await schedules.open_schedule_source(env.database, env.notifications, env.settings, rule)


QUEUES: Final[Mapping[Service, QueueOpener]] = {
    Service.SQS: _queue,
    Service.RABBITMQ: _message_queue,
    Service.ACTIVEMQ: _message_queue,
}

STREAMS: Final[Mapping[Service, StreamOpener]] = {
    Service.KINESIS: _stream,
    Service.DYNAMODB: _table_stream,
    Service.KAFKA: _kafka,
    Service.DOCUMENTDB: _changes,
}

NOTIFICATIONS: Final[Mapping[type[NotificationSubscription], NotificationOpener]] = {
    BucketNotification: _bucket,
    TopicSubscription: _topic,
    BusRule: _bus,
    ScheduleRule: _schedule,
}

SINKS: Final[Mapping[Service, SinkOpener]] = {
    Service.SQS: _queue_sink,
    Service.SNS: _topic_sink,
    Service.EVENTBRIDGE: _bus_sink,
    Service.S3: _bucket_sink,
    Service.KINESIS: _stream_sink,
    Service.DYNAMODB: _table_sink,
    Service.KAFKA: _kafka_sink,
    Service.DOCUMENTDB: _collection_sink,
    Service.RABBITMQ: partial(_message_queue_sink, Service.RABBITMQ),
    Service.ACTIVEMQ: partial(_message_queue_sink, Service.ACTIVEMQ),
}
