"""The events that functions receive: one typed model per source, and the codec that reads and builds them.

Every name is imported when it is first used, so that one model does not cost them all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from eventflow.events._base import EventModel as EventModel
    from eventflow.events._codec import Codec as Codec
    from eventflow.events._codec import EventCodec as EventCodec
    from eventflow.events._codec import RecordCodec as RecordCodec
    from eventflow.events._lookup import codec_for as codec_for
    from eventflow.events._payload import PayloadReader as PayloadReader
    from eventflow.events._recognise import CODECS as CODECS
    from eventflow.events._recognise import UnrecognisedEventError as UnrecognisedEventError
    from eventflow.events._recognise import recognise as recognise
    from eventflow.events._window import TumblingWindow as TumblingWindow
    from eventflow.events.activemq import ActiveMQEvent as ActiveMQEvent
    from eventflow.events.activemq import ActiveMQMessage as ActiveMQMessage
    from eventflow.events.alb import AlbEvent as AlbEvent
    from eventflow.events.authorizers import HttpAuthorizerEvent as HttpAuthorizerEvent
    from eventflow.events.authorizers import RestAuthorizerEvent as RestAuthorizerEvent
    from eventflow.events.authorizers import TokenAuthorizerEvent as TokenAuthorizerEvent
    from eventflow.events.documentdb import DocumentDBEvent as DocumentDBEvent
    from eventflow.events.documentdb import DocumentDBRecord as DocumentDBRecord
    from eventflow.events.dynamodb import DynamoDBRecord as DynamoDBRecord
    from eventflow.events.dynamodb import DynamoDBStreamEvent as DynamoDBStreamEvent
    from eventflow.events.eventbridge import EventBridgeEvent as EventBridgeEvent
    from eventflow.events.http import HttpEvent as HttpEvent
    from eventflow.events.kafka import KafkaEvent as KafkaEvent
    from eventflow.events.kafka import KafkaRecord as KafkaRecord
    from eventflow.events.kinesis import KinesisRecord as KinesisRecord
    from eventflow.events.kinesis import KinesisStreamEvent as KinesisStreamEvent
    from eventflow.events.rabbitmq import RabbitMQEvent as RabbitMQEvent
    from eventflow.events.rabbitmq import RabbitMQMessage as RabbitMQMessage
    from eventflow.events.rest import RestEvent as RestEvent
    from eventflow.events.s3 import S3Event as S3Event
    from eventflow.events.s3 import S3EventRecord as S3EventRecord
    from eventflow.events.schedule import ScheduledEvent as ScheduledEvent
    from eventflow.events.sns import SnsEvent as SnsEvent
    from eventflow.events.sns import SnsRecord as SnsRecord
    from eventflow.events.sqs import SqsEvent as SqsEvent
    from eventflow.events.sqs import SqsRecord as SqsRecord

_MODULES: Final = {
    "ActiveMQEvent": "activemq",
    "ActiveMQMessage": "activemq",
    "AlbEvent": "alb",
    "CODECS": "_recognise",
    "Codec": "_codec",
    "DocumentDBEvent": "documentdb",
    "DocumentDBRecord": "documentdb",
    "DynamoDBRecord": "dynamodb",
    "DynamoDBStreamEvent": "dynamodb",
    "EventBridgeEvent": "eventbridge",
    "EventCodec": "_codec",
    "EventModel": "_base",
    "HttpAuthorizerEvent": "authorizers",
    "HttpEvent": "http",
    "KafkaEvent": "kafka",
    "KafkaRecord": "kafka",
    "KinesisRecord": "kinesis",
    "KinesisStreamEvent": "kinesis",
    "PayloadReader": "_payload",
    "RabbitMQEvent": "rabbitmq",
    "RabbitMQMessage": "rabbitmq",
    "RecordCodec": "_codec",
    "RestAuthorizerEvent": "authorizers",
    "RestEvent": "rest",
    "S3Event": "s3",
    "S3EventRecord": "s3",
    "ScheduledEvent": "schedule",
    "SnsEvent": "sns",
    "SnsRecord": "sns",
    "SqsEvent": "sqs",
    "SqsRecord": "sqs",
    "TokenAuthorizerEvent": "authorizers",
    "TumblingWindow": "_window",
    "UnrecognisedEventError": "_recognise",
    "codec_for": "_lookup",
    "recognise": "_recognise",
}

__all__ = sorted(_MODULES)


if not TYPE_CHECKING:  # a type checker that saw it would take any name for granted

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
