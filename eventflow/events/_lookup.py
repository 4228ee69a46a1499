"""Finds the codec of a service, importing no other."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._codec import Codec

SENDERS: Final = (
    Service.WEBSOCKET_AUTHORIZER,
    Service.TOKEN_AUTHORIZER,
    Service.REST_AUTHORIZER,
    Service.HTTP_AUTHORIZER,
    Service.WEBSOCKET,
    Service.ALB,
    Service.FUNCTION_URL,
    Service.HTTP,
    Service.HTTP_V1,
    Service.REST,
    Service.COGNITO,
    Service.CLOUDFORMATION,
    Service.ALEXA,
    Service.LEX,
    Service.CLOUDFRONT,
    Service.SNS,
    Service.S3,
    Service.SQS,
    Service.KINESIS,
    Service.DYNAMODB,
    Service.KAFKA,
    Service.RABBITMQ,
    Service.ACTIVEMQ,
    Service.DOCUMENTDB,
    Service.SCHEDULE,
    Service.EVENTBRIDGE,
)
"""The services that send events, from those that are told by the surest sign to the vaguest. The codec of
``Service.SQS`` is ``SQS`` in the module ``sqs``."""

_MODULES: Final = {
    Service.FUNCTION_URL: "http",
    Service.HTTP_AUTHORIZER: "authorizers",
    Service.HTTP_V1: "rest",
    Service.REST_AUTHORIZER: "authorizers",
    Service.TOKEN_AUTHORIZER: "authorizers",
    Service.WEBSOCKET_AUTHORIZER: "websocket",
}
"""Where the codec is, if not in the module of its own name: it shares a model."""


@cache
def codec_for(service: Service) -> Codec:
    """The codec of a service's events. Raises ValueError for a service that sends none."""
    if service not in SENDERS:
        raise ValueError(f"{service} sends no events of its own")
    service = Service(service)
    codec: Codec = getattr(import_module(f"eventflow.events.{_MODULES.get(service, service)}"), service.name)
    return codec
