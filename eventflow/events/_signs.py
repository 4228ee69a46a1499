"""How the events are told that come from services without a decorator: by keys that only they have.

A service with a decorator has a codec, which tells its own. Source of all: the services' guides.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.events._wire import first_record, is_authorizer

if TYPE_CHECKING:
    from eventflow.events._base import EventModel
    from eventflow.model.json import JsonObject

Fits = Callable[["JsonObject"], bool]


class Sign(NamedTuple):
    """One kind of event: its model, in a module of this package, and whether an event is of that kind."""

    module: str
    model_name: str
    fits: Fits

    @property
    def model(self) -> type[EventModel]:
        model: type[EventModel] = getattr(import_module(f"eventflow.events.{self.module}"), self.model_name)
        return model


def _keys(*names: str) -> Fits:
    wanted = frozenset(names)
    return lambda wire: wanted <= wire.keys()


def _record_of(service: str) -> Fits:
    return lambda wire: first_record(wire).get("eventSource") == f"aws:{service}"


def _context(*names: str) -> Fits:
    """With these keys in its ``requestContext``."""
    return lambda wire: set(names) <= _object(wire, "requestContext").keys()


def _object(wire: JsonObject, key: str) -> dict[str, Any]:
    value = wire.get(key)
    return value if isinstance(value, dict) else {}


def _is_smart_home(wire: JsonObject) -> bool:
    header = wire.get("header") or _object(wire, "directive").get("header")
    return isinstance(header, dict) and str(header.get("namespace", "")).startswith("Alexa")


def _is_appsync_authorizer(wire: JsonObject) -> bool:
    return "authorizationToken" in wire and _context("apiId")(wire) and not is_authorizer(wire)


def _is_object_lambda(wire: JsonObject) -> bool:
    contexts = {"getObjectContext", "headObjectContext", "listObjectsContext", "listObjectsV2Context"}
    return not contexts.isdisjoint(wire)


def _is_firehose(wire: JsonObject) -> bool:
    """Kinesis Data Analytics sends a similar event, of an application."""
    return isinstance(wire.get("records"), list) and "invocationId" in wire and "applicationArn" not in wire


SIGNS: Final = (
    Sign("vpc_lattice", "VpcLatticeEvent", _context("serviceNetworkArn")),
    Sign("vpc_lattice", "VpcLatticeV1Event", _keys("raw_path", "query_string_parameters")),
    Sign("ses", "SesEvent", _record_of("ses")),
    Sign("codecommit", "CodeCommitEvent", _record_of("codecommit")),
    Sign("alexa", "SmartHomeEvent", _is_smart_home),
    Sign("lex", "LexV1Event", _keys("currentIntent", "bot")),
    Sign("cloudwatch", "CloudWatchLogsEvent", lambda wire: "data" in _object(wire, "awslogs")),
    Sign("deployments", "CodePipelineEvent", _keys("CodePipeline.job")),
    Sign("governance", "SecretRotationEvent", _keys("Step", "SecretId", "ClientRequestToken")),
    Sign("governance", "ConfigRuleEvent", _keys("invokingEvent", "resultToken")),
    Sign("s3_functions", "S3ObjectLambdaEvent", _is_object_lambda),
    Sign("s3_functions", "S3BatchEvent", _keys("invocationSchemaVersion", "tasks")),
    Sign("firehose", "FirehoseEvent", _is_firehose),
    Sign("bedrock", "BedrockAgentEvent", _keys("messageVersion", "agent", "actionGroup")),
    Sign(
        "appsync", "AppSyncResolverEvent", lambda wire: {"fieldName", "parentTypeName"} <= _object(wire, "info").keys()
    ),
    Sign("appsync", "AppSyncAuthorizerEvent", _is_appsync_authorizer),
    Sign("connect", "ConnectEvent", lambda wire: "ContactData" in _object(wire, "Details")),
    Sign("cloudwatch", "CloudWatchAlarmEvent", _keys("alarmData", "alarmArn")),
    Sign("deployments", "CodeDeployHookEvent", _keys("DeploymentId", "LifecycleEventHookExecutionId")),
    Sign("iot", "IotAuthorizerEvent", _keys("protocols", "protocolData")),
    Sign("iot", "IotProvisioningEvent", _keys("claimCertificateId", "certificateId", "templateArn")),
    Sign("cognito", "CognitoSyncEvent", _keys("identityPoolId", "datasetRecords")),
    Sign("s3_functions", "S3TestEvent", lambda wire: wire.get("Event") == "s3:TestEvent"),
)
"""No event has the sign of two of them."""
