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
    from eventflow.events.alexa import AlexaEvent as AlexaEvent
    from eventflow.events.alexa import AlexaResponse as AlexaResponse
    from eventflow.events.alexa import SmartHomeEvent as SmartHomeEvent
    from eventflow.events.appsync import AppSyncAuthorizerEvent as AppSyncAuthorizerEvent
    from eventflow.events.appsync import AppSyncResolverEvent as AppSyncResolverEvent
    from eventflow.events.authorizers import HttpAuthorizerEvent as HttpAuthorizerEvent
    from eventflow.events.authorizers import RestAuthorizerEvent as RestAuthorizerEvent
    from eventflow.events.authorizers import TokenAuthorizerEvent as TokenAuthorizerEvent
    from eventflow.events.bedrock import BedrockAgentEvent as BedrockAgentEvent
    from eventflow.events.cloudformation import CloudFormationEvent as CloudFormationEvent
    from eventflow.events.cloudformation import CustomResource as CustomResource
    from eventflow.events.cloudfront import CloudFrontEvent as CloudFrontEvent
    from eventflow.events.cloudfront import EdgeRequest as EdgeRequest
    from eventflow.events.cloudfront import EdgeResponse as EdgeResponse
    from eventflow.events.cloudwatch import CloudWatchAlarmEvent as CloudWatchAlarmEvent
    from eventflow.events.cloudwatch import CloudWatchLogsEvent as CloudWatchLogsEvent
    from eventflow.events.codecommit import CodeCommitEvent as CodeCommitEvent
    from eventflow.events.cognito import CognitoEvent as CognitoEvent
    from eventflow.events.cognito import CognitoResponse as CognitoResponse
    from eventflow.events.cognito import CognitoSyncEvent as CognitoSyncEvent
    from eventflow.events.cognito import CreateAuthChallengeEvent as CreateAuthChallengeEvent
    from eventflow.events.cognito import CreateAuthChallengeResponse as CreateAuthChallengeResponse
    from eventflow.events.cognito import CustomEmailSenderEvent as CustomEmailSenderEvent
    from eventflow.events.cognito import CustomMessageEvent as CustomMessageEvent
    from eventflow.events.cognito import CustomMessageResponse as CustomMessageResponse
    from eventflow.events.cognito import CustomSMSSenderEvent as CustomSMSSenderEvent
    from eventflow.events.cognito import DefineAuthChallengeEvent as DefineAuthChallengeEvent
    from eventflow.events.cognito import DefineAuthChallengeResponse as DefineAuthChallengeResponse
    from eventflow.events.cognito import InboundFederationEvent as InboundFederationEvent
    from eventflow.events.cognito import InboundFederationResponse as InboundFederationResponse
    from eventflow.events.cognito import PostAuthenticationEvent as PostAuthenticationEvent
    from eventflow.events.cognito import PostConfirmationEvent as PostConfirmationEvent
    from eventflow.events.cognito import PreAuthenticationEvent as PreAuthenticationEvent
    from eventflow.events.cognito import PreSignUpEvent as PreSignUpEvent
    from eventflow.events.cognito import PreSignUpResponse as PreSignUpResponse
    from eventflow.events.cognito import PreTokenGenerationEvent as PreTokenGenerationEvent
    from eventflow.events.cognito import PreTokenGenerationResponse as PreTokenGenerationResponse
    from eventflow.events.cognito import UserMigrationEvent as UserMigrationEvent
    from eventflow.events.cognito import UserMigrationResponse as UserMigrationResponse
    from eventflow.events.cognito import VerifyAuthChallengeEvent as VerifyAuthChallengeEvent
    from eventflow.events.cognito import VerifyAuthChallengeResponse as VerifyAuthChallengeResponse
    from eventflow.events.connect import ConnectEvent as ConnectEvent
    from eventflow.events.deployments import CodeDeployHookEvent as CodeDeployHookEvent
    from eventflow.events.deployments import CodePipelineEvent as CodePipelineEvent
    from eventflow.events.documentdb import DocumentDBEvent as DocumentDBEvent
    from eventflow.events.documentdb import DocumentDBRecord as DocumentDBRecord
    from eventflow.events.dynamodb import DynamoDBRecord as DynamoDBRecord
    from eventflow.events.dynamodb import DynamoDBStreamEvent as DynamoDBStreamEvent
    from eventflow.events.eventbridge import EventBridgeEvent as EventBridgeEvent
    from eventflow.events.firehose import FirehoseEvent as FirehoseEvent
    from eventflow.events.governance import ConfigRuleEvent as ConfigRuleEvent
    from eventflow.events.governance import SecretRotationEvent as SecretRotationEvent
    from eventflow.events.http import HttpEvent as HttpEvent
    from eventflow.events.iot import IotAuthorizerEvent as IotAuthorizerEvent
    from eventflow.events.iot import IotProvisioningEvent as IotProvisioningEvent
    from eventflow.events.kafka import KafkaEvent as KafkaEvent
    from eventflow.events.kafka import KafkaRecord as KafkaRecord
    from eventflow.events.kinesis import KinesisRecord as KinesisRecord
    from eventflow.events.kinesis import KinesisStreamEvent as KinesisStreamEvent
    from eventflow.events.lex import LexEvent as LexEvent
    from eventflow.events.lex import LexResponse as LexResponse
    from eventflow.events.lex import LexV1Event as LexV1Event
    from eventflow.events.rabbitmq import RabbitMQEvent as RabbitMQEvent
    from eventflow.events.rabbitmq import RabbitMQMessage as RabbitMQMessage
    from eventflow.events.rest import RestEvent as RestEvent
    from eventflow.events.s3 import S3Event as S3Event
    from eventflow.events.s3 import S3EventRecord as S3EventRecord
    from eventflow.events.s3_functions import S3BatchEvent as S3BatchEvent
    from eventflow.events.s3_functions import S3ObjectLambdaEvent as S3ObjectLambdaEvent
    from eventflow.events.s3_functions import S3TestEvent as S3TestEvent
    from eventflow.events.schedule import ScheduledEvent as ScheduledEvent
    from eventflow.events.ses import SesEvent as SesEvent
    from eventflow.events.sns import SnsEvent as SnsEvent
    from eventflow.events.sns import SnsRecord as SnsRecord
    from eventflow.events.sqs import SqsEvent as SqsEvent
    from eventflow.events.sqs import SqsRecord as SqsRecord
    from eventflow.events.vpc_lattice import VpcLatticeEvent as VpcLatticeEvent
    from eventflow.events.vpc_lattice import VpcLatticeV1Event as VpcLatticeV1Event
    from eventflow.events.websocket import WebSocketAuthorizerEvent as WebSocketAuthorizerEvent
    from eventflow.events.websocket import WebSocketEvent as WebSocketEvent
    from eventflow.events.websocket import WebSocketResponse as WebSocketResponse

_MODULES: Final = {
    "ActiveMQEvent": "activemq",
    "ActiveMQMessage": "activemq",
    "AlbEvent": "alb",
    "AlexaEvent": "alexa",
    "AlexaResponse": "alexa",
    "AppSyncAuthorizerEvent": "appsync",
    "AppSyncResolverEvent": "appsync",
    "BedrockAgentEvent": "bedrock",
    "CODECS": "_recognise",
    "CloudFormationEvent": "cloudformation",
    "CloudFrontEvent": "cloudfront",
    "CloudWatchAlarmEvent": "cloudwatch",
    "CloudWatchLogsEvent": "cloudwatch",
    "CodeCommitEvent": "codecommit",
    "CodeDeployHookEvent": "deployments",
    "CodePipelineEvent": "deployments",
    "Codec": "_codec",
    "CognitoEvent": "cognito",
    "CognitoResponse": "cognito",
    "CognitoSyncEvent": "cognito",
    "ConfigRuleEvent": "governance",
    "ConnectEvent": "connect",
    "CreateAuthChallengeEvent": "cognito",
    "CreateAuthChallengeResponse": "cognito",
    "CustomEmailSenderEvent": "cognito",
    "CustomMessageEvent": "cognito",
    "CustomMessageResponse": "cognito",
    "CustomResource": "cloudformation",
    "CustomSMSSenderEvent": "cognito",
    "DefineAuthChallengeEvent": "cognito",
    "DefineAuthChallengeResponse": "cognito",
    "DocumentDBEvent": "documentdb",
    "DocumentDBRecord": "documentdb",
    "DynamoDBRecord": "dynamodb",
    "DynamoDBStreamEvent": "dynamodb",
    "EdgeRequest": "cloudfront",
    "EdgeResponse": "cloudfront",
    "EventBridgeEvent": "eventbridge",
    "EventCodec": "_codec",
    "EventModel": "_base",
    "FirehoseEvent": "firehose",
    "HttpAuthorizerEvent": "authorizers",
    "HttpEvent": "http",
    "InboundFederationEvent": "cognito",
    "InboundFederationResponse": "cognito",
    "IotAuthorizerEvent": "iot",
    "IotProvisioningEvent": "iot",
    "KafkaEvent": "kafka",
    "KafkaRecord": "kafka",
    "KinesisRecord": "kinesis",
    "KinesisStreamEvent": "kinesis",
    "LexEvent": "lex",
    "LexResponse": "lex",
    "LexV1Event": "lex",
    "PayloadReader": "_payload",
    "PostAuthenticationEvent": "cognito",
    "PostConfirmationEvent": "cognito",
    "PreAuthenticationEvent": "cognito",
    "PreSignUpEvent": "cognito",
    "PreSignUpResponse": "cognito",
    "PreTokenGenerationEvent": "cognito",
    "PreTokenGenerationResponse": "cognito",
    "RabbitMQEvent": "rabbitmq",
    "RabbitMQMessage": "rabbitmq",
    "RecordCodec": "_codec",
    "RestAuthorizerEvent": "authorizers",
    "RestEvent": "rest",
    "S3BatchEvent": "s3_functions",
    "S3Event": "s3",
    "S3EventRecord": "s3",
    "S3ObjectLambdaEvent": "s3_functions",
    "S3TestEvent": "s3_functions",
    "ScheduledEvent": "schedule",
    "SecretRotationEvent": "governance",
    "SesEvent": "ses",
    "SmartHomeEvent": "alexa",
    "SnsEvent": "sns",
    "SnsRecord": "sns",
    "SqsEvent": "sqs",
    "SqsRecord": "sqs",
    "TokenAuthorizerEvent": "authorizers",
    "TumblingWindow": "_window",
    "UnrecognisedEventError": "_recognise",
    "UserMigrationEvent": "cognito",
    "UserMigrationResponse": "cognito",
    "VerifyAuthChallengeEvent": "cognito",
    "VerifyAuthChallengeResponse": "cognito",
    "VpcLatticeEvent": "vpc_lattice",
    "VpcLatticeV1Event": "vpc_lattice",
    "WebSocketAuthorizerEvent": "websocket",
    "WebSocketEvent": "websocket",
    "WebSocketResponse": "websocket",
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
