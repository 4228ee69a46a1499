"""eventflow: Python functions with AWS Lambda's invocation semantics, anywhere.

The public names. Each lives in one module, imported when the name is first used, so that an app pays only for
the sources it names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventflow.app import App
    from eventflow.errors import (
        AccessDeniedError,
        AdapterError,
        ConfigurationError,
        DataDirectoryError,
        EventflowError,
        EventValidationError,
        FunctionNotFoundError,
        InvalidEventPatternError,
        InvalidMessageError,
        InvalidParameterValueError,
        InvalidRequestContentError,
        InvalidScheduleExpressionError,
        InvocationError,
        LeaseLostError,
        Problem,
        RequestTooLargeError,
        ResourceNotFoundError,
        ServiceError,
        TargetError,
        ThrottledError,
        UnavailableError,
    )
    from eventflow.events.activemq import ActiveMQEvent, ActiveMQMessage
    from eventflow.events.alb import AlbEvent
    from eventflow.events.alexa import AlexaEvent, AlexaResponse
    from eventflow.events.authorizers import HttpAuthorizerEvent, RestAuthorizerEvent, TokenAuthorizerEvent
    from eventflow.events.cloudformation import CloudFormationEvent, CustomResource
    from eventflow.events.cloudfront import CloudFrontEvent, EdgeRequest, EdgeResponse
    from eventflow.events.cognito import (
        CognitoEvent,
        CreateAuthChallengeEvent,
        CreateAuthChallengeResponse,
        CustomEmailSenderEvent,
        CustomMessageEvent,
        CustomMessageResponse,
        CustomSMSSenderEvent,
        DefineAuthChallengeEvent,
        DefineAuthChallengeResponse,
        InboundFederationEvent,
        InboundFederationResponse,
        PostAuthenticationEvent,
        PostConfirmationEvent,
        PreAuthenticationEvent,
        PreSignUpEvent,
        PreSignUpResponse,
        PreTokenGenerationEvent,
        PreTokenGenerationResponse,
        UserMigrationEvent,
        UserMigrationResponse,
        VerifyAuthChallengeEvent,
        VerifyAuthChallengeResponse,
    )
    from eventflow.events.documentdb import DocumentDBEvent, DocumentDBRecord
    from eventflow.events.dynamodb import DynamoDBRecord, DynamoDBStreamEvent
    from eventflow.events.eventbridge import EventBridgeEvent
    from eventflow.events.http import HttpEvent
    from eventflow.events.kafka import KafkaEvent, KafkaRecord
    from eventflow.events.kinesis import KinesisRecord, KinesisStreamEvent
    from eventflow.events.lex import LexEvent, LexResponse
    from eventflow.events.rabbitmq import RabbitMQEvent, RabbitMQMessage
    from eventflow.events.rest import RestEvent
    from eventflow.events.s3 import S3Event
    from eventflow.events.schedule import ScheduledEvent
    from eventflow.events.sns import SnsEvent
    from eventflow.events.sqs import SqsEvent, SqsRecord
    from eventflow.events.websocket import WebSocketAuthorizerEvent, WebSocketEvent, WebSocketResponse
    from eventflow.model.context import Context
    from eventflow.model.cors import Cors
    from eventflow.model.destinations import Destination
    from eventflow.model.http_prelude import HttpPrelude
    from eventflow.model.invocation import Invocation
    from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, TimedOut
    from eventflow.model.request_parts import Header, Query
    from eventflow.model.websocket import WebSocketApi
    from eventflow.plan.environment import Environment, load_environment
    from eventflow.plan.plan import Plan
    from eventflow.policy.patterns import EventPattern
    from eventflow.triggers.alb import on_alb
    from eventflow.triggers.alexa import on_alexa
    from eventflow.triggers.authorizers import http_authorizer, jwt_authorizer, rest_authorizer, websocket_authorizer
    from eventflow.triggers.cloudformation import on_cloudformation
    from eventflow.triggers.cloudfront import on_cloudfront
    from eventflow.triggers.cognito import on_cognito
    from eventflow.triggers.destinations import to_eventbridge, to_function, to_kafka, to_mq, to_s3, to_sns, to_sqs
    from eventflow.triggers.documentdb import on_documentdb, on_documentdb_batch
    from eventflow.triggers.documented import documented
    from eventflow.triggers.dynamodb import on_dynamodb_stream, on_dynamodb_stream_batch
    from eventflow.triggers.eventbridge import on_eventbridge
    from eventflow.triggers.function import function
    from eventflow.triggers.function_url import on_function_url
    from eventflow.triggers.http import on_http
    from eventflow.triggers.kafka import on_kafka, on_kafka_batch
    from eventflow.triggers.kinesis import on_kinesis, on_kinesis_batch
    from eventflow.triggers.lex import on_lex
    from eventflow.triggers.mq import on_mq, on_mq_batch
    from eventflow.triggers.rest import on_rest
    from eventflow.triggers.s3 import on_s3
    from eventflow.triggers.schedule import on_schedule
    from eventflow.triggers.sns import on_sns
    from eventflow.triggers.sqs import on_sqs, on_sqs_batch
    from eventflow.triggers.websocket import on_websocket

_HOMES = {
    "App": "eventflow.app",
    "AccessDeniedError": "eventflow.errors",
    "AdapterError": "eventflow.errors",
    "ConfigurationError": "eventflow.errors",
    "DataDirectoryError": "eventflow.errors",
    "EventValidationError": "eventflow.errors",
    "EventflowError": "eventflow.errors",
    "FunctionNotFoundError": "eventflow.errors",
    "InvalidEventPatternError": "eventflow.errors",
    "InvalidMessageError": "eventflow.errors",
    "InvalidParameterValueError": "eventflow.errors",
    "InvalidRequestContentError": "eventflow.errors",
    "InvalidScheduleExpressionError": "eventflow.errors",
    "InvocationError": "eventflow.errors",
    "LeaseLostError": "eventflow.errors",
    "Problem": "eventflow.errors",
    "RequestTooLargeError": "eventflow.errors",
    "ResourceNotFoundError": "eventflow.errors",
    "ServiceError": "eventflow.errors",
    "TargetError": "eventflow.errors",
    "ThrottledError": "eventflow.errors",
    "UnavailableError": "eventflow.errors",
    "ActiveMQEvent": "eventflow.events.activemq",
    "ActiveMQMessage": "eventflow.events.activemq",
    "AlbEvent": "eventflow.events.alb",
    "AlexaEvent": "eventflow.events.alexa",
    "AlexaResponse": "eventflow.events.alexa",
    "HttpAuthorizerEvent": "eventflow.events.authorizers",
    "RestAuthorizerEvent": "eventflow.events.authorizers",
    "TokenAuthorizerEvent": "eventflow.events.authorizers",
    "CloudFormationEvent": "eventflow.events.cloudformation",
    "CustomResource": "eventflow.events.cloudformation",
    "CloudFrontEvent": "eventflow.events.cloudfront",
    "EdgeRequest": "eventflow.events.cloudfront",
    "EdgeResponse": "eventflow.events.cloudfront",
    "CognitoEvent": "eventflow.events.cognito",
    "CreateAuthChallengeEvent": "eventflow.events.cognito",
    "CreateAuthChallengeResponse": "eventflow.events.cognito",
    "CustomEmailSenderEvent": "eventflow.events.cognito",
    "CustomMessageEvent": "eventflow.events.cognito",
    "CustomMessageResponse": "eventflow.events.cognito",
    "CustomSMSSenderEvent": "eventflow.events.cognito",
    "DefineAuthChallengeEvent": "eventflow.events.cognito",
    "DefineAuthChallengeResponse": "eventflow.events.cognito",
    "InboundFederationEvent": "eventflow.events.cognito",
    "InboundFederationResponse": "eventflow.events.cognito",
    "PostAuthenticationEvent": "eventflow.events.cognito",
    "PostConfirmationEvent": "eventflow.events.cognito",
    "PreAuthenticationEvent": "eventflow.events.cognito",
    "PreSignUpEvent": "eventflow.events.cognito",
    "PreSignUpResponse": "eventflow.events.cognito",
    "PreTokenGenerationEvent": "eventflow.events.cognito",
    "PreTokenGenerationResponse": "eventflow.events.cognito",
    "UserMigrationEvent": "eventflow.events.cognito",
    "UserMigrationResponse": "eventflow.events.cognito",
    "VerifyAuthChallengeEvent": "eventflow.events.cognito",
    "VerifyAuthChallengeResponse": "eventflow.events.cognito",
    "DocumentDBEvent": "eventflow.events.documentdb",
    "DocumentDBRecord": "eventflow.events.documentdb",
    "DynamoDBRecord": "eventflow.events.dynamodb",
    "DynamoDBStreamEvent": "eventflow.events.dynamodb",
    "EventBridgeEvent": "eventflow.events.eventbridge",
    "HttpEvent": "eventflow.events.http",
    "KafkaEvent": "eventflow.events.kafka",
    "KafkaRecord": "eventflow.events.kafka",
    "KinesisRecord": "eventflow.events.kinesis",
    "KinesisStreamEvent": "eventflow.events.kinesis",
    "LexEvent": "eventflow.events.lex",
    "LexResponse": "eventflow.events.lex",
    "RabbitMQEvent": "eventflow.events.rabbitmq",
    "RabbitMQMessage": "eventflow.events.rabbitmq",
    "RestEvent": "eventflow.events.rest",
    "S3Event": "eventflow.events.s3",
    "ScheduledEvent": "eventflow.events.schedule",
    "SnsEvent": "eventflow.events.sns",
    "SqsEvent": "eventflow.events.sqs",
    "SqsRecord": "eventflow.events.sqs",
    "WebSocketAuthorizerEvent": "eventflow.events.websocket",
    "WebSocketEvent": "eventflow.events.websocket",
    "WebSocketResponse": "eventflow.events.websocket",
    "Context": "eventflow.model.context",
    "Cors": "eventflow.model.cors",
    "Destination": "eventflow.model.destinations",
    "HttpPrelude": "eventflow.model.http_prelude",
    "Header": "eventflow.model.request_parts",
    "Query": "eventflow.model.request_parts",
    "Invocation": "eventflow.model.invocation",
    "FunctionFailed": "eventflow.model.outcome",
    "Outcome": "eventflow.model.outcome",
    "Succeeded": "eventflow.model.outcome",
    "Throttled": "eventflow.model.outcome",
    "TimedOut": "eventflow.model.outcome",
    "WebSocketApi": "eventflow.model.websocket",
    "Environment": "eventflow.plan.environment",
    "load_environment": "eventflow.plan.environment",
    "Plan": "eventflow.plan.plan",
    "EventPattern": "eventflow.policy.patterns",
    "on_alb": "eventflow.triggers.alb",
    "on_alexa": "eventflow.triggers.alexa",
    "http_authorizer": "eventflow.triggers.authorizers",
    "jwt_authorizer": "eventflow.triggers.authorizers",
    "rest_authorizer": "eventflow.triggers.authorizers",
    "on_cloudformation": "eventflow.triggers.cloudformation",
    "on_cloudfront": "eventflow.triggers.cloudfront",
    "on_cognito": "eventflow.triggers.cognito",
    "websocket_authorizer": "eventflow.triggers.authorizers",
    "to_eventbridge": "eventflow.triggers.destinations",
    "to_function": "eventflow.triggers.destinations",
    "to_kafka": "eventflow.triggers.destinations",
    "to_mq": "eventflow.triggers.destinations",
    "to_s3": "eventflow.triggers.destinations",
    "to_sns": "eventflow.triggers.destinations",
    "to_sqs": "eventflow.triggers.destinations",
    "on_documentdb": "eventflow.triggers.documentdb",
    "on_documentdb_batch": "eventflow.triggers.documentdb",
    "on_dynamodb_stream": "eventflow.triggers.dynamodb",
    "on_dynamodb_stream_batch": "eventflow.triggers.dynamodb",
    "on_eventbridge": "eventflow.triggers.eventbridge",
    "documented": "eventflow.triggers.documented",
    "function": "eventflow.triggers.function",
    "on_function_url": "eventflow.triggers.function_url",
    "on_http": "eventflow.triggers.http",
    "on_kafka": "eventflow.triggers.kafka",
    "on_kafka_batch": "eventflow.triggers.kafka",
    "on_kinesis": "eventflow.triggers.kinesis",
    "on_kinesis_batch": "eventflow.triggers.kinesis",
    "on_lex": "eventflow.triggers.lex",
    "on_mq": "eventflow.triggers.mq",
    "on_mq_batch": "eventflow.triggers.mq",
    "on_rest": "eventflow.triggers.rest",
    "on_s3": "eventflow.triggers.s3",
    "on_schedule": "eventflow.triggers.schedule",
    "on_sns": "eventflow.triggers.sns",
    "on_sqs": "eventflow.triggers.sqs",
    "on_sqs_batch": "eventflow.triggers.sqs",
    "on_websocket": "eventflow.triggers.websocket",
}

__all__ = [
    "AccessDeniedError",
    "ActiveMQEvent",
    "ActiveMQMessage",
    "AdapterError",
    "AlbEvent",
    "AlexaEvent",
    "AlexaResponse",
    "App",
    "CloudFormationEvent",
    "CloudFrontEvent",
    "CognitoEvent",
    "ConfigurationError",
    "Context",
    "Cors",
    "CreateAuthChallengeEvent",
    "CreateAuthChallengeResponse",
    "CustomEmailSenderEvent",
    "CustomMessageEvent",
    "CustomMessageResponse",
    "CustomResource",
    "CustomSMSSenderEvent",
    "DataDirectoryError",
    "DefineAuthChallengeEvent",
    "DefineAuthChallengeResponse",
    "Destination",
    "DocumentDBEvent",
    "DocumentDBRecord",
    "DynamoDBRecord",
    "DynamoDBStreamEvent",
    "EdgeRequest",
    "EdgeResponse",
    "Environment",
    "EventBridgeEvent",
    "EventPattern",
    "EventValidationError",
    "EventflowError",
    "FunctionFailed",
    "FunctionNotFoundError",
    "Header",
    "HttpAuthorizerEvent",
    "HttpEvent",
    "HttpPrelude",
    "InboundFederationEvent",
    "InboundFederationResponse",
    "InvalidEventPatternError",
    "InvalidMessageError",
    "InvalidParameterValueError",
    "InvalidRequestContentError",
    "InvalidScheduleExpressionError",
    "Invocation",
    "InvocationError",
    "KafkaEvent",
    "KafkaRecord",
    "KinesisRecord",
    "KinesisStreamEvent",
    "LeaseLostError",
    "LexEvent",
    "LexResponse",
    "Outcome",
    "Plan",
    "PostAuthenticationEvent",
    "PostConfirmationEvent",
    "PreAuthenticationEvent",
    "PreSignUpEvent",
    "PreSignUpResponse",
    "PreTokenGenerationEvent",
    "PreTokenGenerationResponse",
    "Problem",
    "Query",
    "RabbitMQEvent",
    "RabbitMQMessage",
    "RequestTooLargeError",
    "ResourceNotFoundError",
    "RestAuthorizerEvent",
    "RestEvent",
    "S3Event",
    "ScheduledEvent",
    "ServiceError",
    "SnsEvent",
    "SqsEvent",
    "SqsRecord",
    "Succeeded",
    "TargetError",
    "Throttled",
    "ThrottledError",
    "TimedOut",
    "TokenAuthorizerEvent",
    "UnavailableError",
    "UserMigrationEvent",
    "UserMigrationResponse",
    "VerifyAuthChallengeEvent",
    "VerifyAuthChallengeResponse",
    "WebSocketApi",
    "WebSocketAuthorizerEvent",
    "WebSocketEvent",
    "WebSocketResponse",
    "documented",
    "function",
    "http_authorizer",
    "jwt_authorizer",
    "load_environment",
    "on_alb",
    "on_alexa",
    "on_cloudformation",
    "on_cloudfront",
    "on_cognito",
    "on_documentdb",
    "on_documentdb_batch",
    "on_dynamodb_stream",
    "on_dynamodb_stream_batch",
    "on_eventbridge",
    "on_function_url",
    "on_http",
    "on_kafka",
    "on_kafka_batch",
    "on_kinesis",
    "on_kinesis_batch",
    "on_lex",
    "on_mq",
    "on_mq_batch",
    "on_rest",
    "on_s3",
    "on_schedule",
    "on_sns",
    "on_sqs",
    "on_sqs_batch",
    "on_websocket",
    "rest_authorizer",
    "to_eventbridge",
    "to_function",
    "to_kafka",
    "to_mq",
    "to_s3",
    "to_sns",
    "to_sqs",
    "websocket_authorizer",
]


if not TYPE_CHECKING:  # a checker that saw this would accept any name

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
