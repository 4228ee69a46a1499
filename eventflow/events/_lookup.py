"""Finds the codec of a service, importing no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._codec import Codec


def codec_for(service: Service) -> Codec:
    """The codec of a service's events. Raises ValueError for a service that sends none."""
    match service:
        case Service.HTTP:
            from eventflow.events.http import HTTP

            return HTTP
        case Service.S3:
            from eventflow.events.s3 import S3

            return S3
        case Service.SNS:
            from eventflow.events.sns import SNS

            return SNS
        case Service.EVENTBRIDGE:
            from eventflow.events.eventbridge import EVENTBRIDGE

            return EVENTBRIDGE
        case Service.SCHEDULE:
            from eventflow.events.schedule import SCHEDULE

            return SCHEDULE
        case Service.SQS:
            from eventflow.events.sqs import SQS

            return SQS
        case Service.KINESIS:
            from eventflow.events.kinesis import KINESIS

            return KINESIS
        case Service.DYNAMODB:
            from eventflow.events.dynamodb import DYNAMODB

            return DYNAMODB
        case Service.KAFKA:
            from eventflow.events.kafka import KAFKA

            return KAFKA
        case _:
            raise ValueError(f"{service} sends no events of its own")
