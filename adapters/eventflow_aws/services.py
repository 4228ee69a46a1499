"""Which service is opened by what. The modules are imported when they are first used, so that an app pays only for
the services it names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.model.subscriptions import QueueSubscription, StreamSubscription
    from eventflow.ports import DestinationSink, QueueSource, StreamSource
    from eventflow_aws.environment import Environment

QueueOpener: TypeAlias = Callable[["Environment", "QueueSubscription"], Awaitable["QueueSource"]]
StreamOpener: TypeAlias = Callable[["Environment", "StreamSubscription"], Awaitable["StreamSource"]]
SinkOpener: TypeAlias = Callable[["Environment", str], Awaitable["DestinationSink"]]


async def _queue(env: Environment, subscription: QueueSubscription) -> QueueSource:
    from eventflow_aws.sqs.source import open_queue_source

    return await open_queue_source(env, subscription)


async def _queue_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_aws.sqs.sink import open_queue_sink

    return await open_queue_sink(env, name)


async def _stream(env: Environment, subscription: StreamSubscription) -> StreamSource:
    from eventflow_aws.streams.kinesis_source import open_stream_source

    return await open_stream_source(env, subscription)


async def _stream_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_aws.streams.kinesis_sink import open_stream_sink

    return await open_stream_sink(env, name)


async def _table(env: Environment, subscription: StreamSubscription) -> StreamSource:
    from eventflow_aws.streams.dynamodb_source import open_table_source

    return await open_table_source(env, subscription)


async def _table_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_aws.streams.dynamodb_sink import open_table_sink

    return await open_table_sink(env, name)


async def _topic_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_aws.sinks.sns import open_topic_sink

    return await open_topic_sink(env, name)


async def _bus_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_aws.sinks.eventbridge import open_bus_sink

    return await open_bus_sink(env, name)


async def _bucket_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_aws.sinks.s3 import open_bucket_sink

    return await open_bucket_sink(env, name)


async def _function_sink(env: Environment, name: str) -> DestinationSink:
    from eventflow_aws.sinks.functions import open_function_sink

    return await open_function_sink(env, name)


QUEUES: Final[Mapping[Service, QueueOpener]] = {Service.SQS: _queue}
STREAMS: Final[Mapping[Service, StreamOpener]] = {Service.KINESIS: _stream, Service.DYNAMODB: _table}
SINKS: Final[Mapping[Service, SinkOpener]] = {
    Service.SQS: _queue_sink,
    Service.SNS: _topic_sink,
    Service.EVENTBRIDGE: _bus_sink,
    Service.S3: _bucket_sink,
    Service.KINESIS: _stream_sink,
    Service.DYNAMODB: _table_sink,
    Service.FUNCTION: _function_sink,
}
