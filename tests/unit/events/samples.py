"""The wire samples: one file per shape and quirk, in a directory per source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from eventflow.events import (
    ActiveMQEvent,
    AlbEvent,
    AlexaEvent,
    AppSyncAuthorizerEvent,
    AppSyncResolverEvent,
    BedrockAgentEvent,
    CloudFormationEvent,
    CloudFrontEvent,
    CloudWatchAlarmEvent,
    CloudWatchLogsEvent,
    CodeCommitEvent,
    CodeDeployHookEvent,
    CodePipelineEvent,
    CognitoEvent,
    CognitoSyncEvent,
    ConfigRuleEvent,
    ConnectEvent,
    DocumentDBEvent,
    DynamoDBStreamEvent,
    EventBridgeEvent,
    EventModel,
    FirehoseEvent,
    HttpAuthorizerEvent,
    HttpEvent,
    IotAuthorizerEvent,
    IotProvisioningEvent,
    KafkaEvent,
    KinesisStreamEvent,
    LexEvent,
    LexV1Event,
    RabbitMQEvent,
    RestAuthorizerEvent,
    RestEvent,
    S3BatchEvent,
    S3Event,
    S3ObjectLambdaEvent,
    S3TestEvent,
    ScheduledEvent,
    SecretRotationEvent,
    SesEvent,
    SmartHomeEvent,
    SnsEvent,
    SqsEvent,
    TokenAuthorizerEvent,
    VpcLatticeEvent,
    VpcLatticeV1Event,
    WebSocketAuthorizerEvent,
    WebSocketEvent,
)

DIRECTORY: Final = Path(__file__).parents[2] / "samples"

SERVICES: Final[dict[str, type[EventModel]]] = {
    "activemq": ActiveMQEvent,
    "alb": AlbEvent,
    "alexa": AlexaEvent,
    "cloudformation": CloudFormationEvent,
    "cloudfront": CloudFrontEvent,
    "cognito": CognitoEvent,
    "documentdb": DocumentDBEvent,
    "dynamodb": DynamoDBStreamEvent,
    "eventbridge": EventBridgeEvent,
    "function_url": HttpEvent,
    "http": HttpEvent,
    "http_authorizer": HttpAuthorizerEvent,
    "http_v1": RestEvent,
    "kafka": KafkaEvent,
    "kinesis": KinesisStreamEvent,
    "lex": LexEvent,
    "rabbitmq": RabbitMQEvent,
    "rest": RestEvent,
    "rest_authorizer": RestAuthorizerEvent,
    "s3": S3Event,
    "schedule": ScheduledEvent,
    "sns": SnsEvent,
    "sqs": SqsEvent,
    "token_authorizer": TokenAuthorizerEvent,
    "websocket": WebSocketEvent,
    "websocket_authorizer": WebSocketAuthorizerEvent,
}
"""Those with a decorator, and so with a codec."""

OTHERS: Final[dict[str, type[EventModel]]] = {
    "alexa-smart-home": SmartHomeEvent,
    "appsync": AppSyncResolverEvent,
    "appsync-authorizer": AppSyncAuthorizerEvent,
    "bedrock-agent": BedrockAgentEvent,
    "cloudwatch-alarm": CloudWatchAlarmEvent,
    "cloudwatch-logs": CloudWatchLogsEvent,
    "codecommit": CodeCommitEvent,
    "codedeploy": CodeDeployHookEvent,
    "codepipeline": CodePipelineEvent,
    "cognito-sync": CognitoSyncEvent,
    "config": ConfigRuleEvent,
    "connect": ConnectEvent,
    "firehose": FirehoseEvent,
    "iot-authorizer": IotAuthorizerEvent,
    "iot-provisioning": IotProvisioningEvent,
    "lex-v1": LexV1Event,
    "s3-batch": S3BatchEvent,
    "s3-object-lambda": S3ObjectLambdaEvent,
    "s3-test": S3TestEvent,
    "secrets-manager": SecretRotationEvent,
    "ses": SesEvent,
    "vpc-lattice": VpcLatticeEvent,
    "vpc-lattice-v1": VpcLatticeV1Event,
}
"""Those that call functions in Lambda only, and those whose decorator is yet to come."""

MODELS: Final = {**SERVICES, **OTHERS}

RECORDED: Final[dict[str, dict[str, Any]]] = json.loads((DIRECTORY / "sam-generate-event.json").read_bytes())
"""What ``sam local generate-event`` prints, by service and event."""


def load(source: str, name: str) -> dict[str, Any]:
    wire: dict[str, Any] = json.loads((DIRECTORY / source / f"{name}.json").read_bytes())
    return wire


def every_sample(*sources: str) -> pytest.MarkDecorator:
    """Runs a test with ``source`` and ``name`` of every sample there is, of these sources only if any are named."""
    paths = sorted(path for source in sources or MODELS for path in (DIRECTORY / source).glob("*.json"))
    cases = [pytest.param(path.parent.name, path.stem, id=f"{path.parent.name}-{path.stem}") for path in paths]
    return pytest.mark.parametrize(("source", "name"), cases)
