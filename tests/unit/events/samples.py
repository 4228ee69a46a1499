"""The wire samples: one file per shape and quirk, in a directory per source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from eventflow.events import (
    ActiveMQEvent,
    AlbEvent,
    DocumentDBEvent,
    DynamoDBStreamEvent,
    EventBridgeEvent,
    EventModel,
    HttpAuthorizerEvent,
    HttpEvent,
    KafkaEvent,
    KinesisStreamEvent,
    RabbitMQEvent,
    RestAuthorizerEvent,
    RestEvent,
    S3Event,
    ScheduledEvent,
    SnsEvent,
    SqsEvent,
    TokenAuthorizerEvent,
)

DIRECTORY: Final = Path(__file__).parents[2] / "samples"

MODELS: Final[dict[str, type[EventModel]]] = {
    "activemq": ActiveMQEvent,
    "alb": AlbEvent,
    "documentdb": DocumentDBEvent,
    "dynamodb": DynamoDBStreamEvent,
    "eventbridge": EventBridgeEvent,
    "function_url": HttpEvent,
    "http": HttpEvent,
    "http_authorizer": HttpAuthorizerEvent,
    "http_v1": RestEvent,
    "kafka": KafkaEvent,
    "kinesis": KinesisStreamEvent,
    "rabbitmq": RabbitMQEvent,
    "rest": RestEvent,
    "rest_authorizer": RestAuthorizerEvent,
    "s3": S3Event,
    "schedule": ScheduledEvent,
    "sns": SnsEvent,
    "sqs": SqsEvent,
    "token_authorizer": TokenAuthorizerEvent,
}


def load(source: str, name: str) -> dict[str, Any]:
    wire: dict[str, Any] = json.loads((DIRECTORY / source / f"{name}.json").read_bytes())
    return wire


def every_sample(*sources: str) -> pytest.MarkDecorator:
    """Runs a test with ``source`` and ``name`` of every sample there is, of these sources only if any are named."""
    paths = sorted(path for source in sources or MODELS for path in (DIRECTORY / source).glob("*.json"))
    cases = [pytest.param(path.parent.name, path.stem, id=f"{path.parent.name}-{path.stem}") for path in paths]
    return pytest.mark.parametrize(("source", "name"), cases)
