"""Queues, topics, buckets and their like in a template: made there, or there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Service
from eventflow.model.mapping import StreamViewType
from eventflow_aws.arns import queue_arn
from eventflow_aws.management.queues import MAXIMUM_RECEIVE_COUNT, MAXIMUM_VISIBILITY_SECONDS, RETENTION_SECONDS
from eventflow_aws.management.streams import PARTITION_KEY
from eventflow_aws.management.template.values import arn, get_att, ref, sub
from eventflow_aws.names import ARN_FORMS, Arn

if TYPE_CHECKING:
    from eventflow.model.deployment import Deployment
    from eventflow_aws.management.template.values import LogicalIds, Value
    from eventflow_aws.names import Names

DEFAULT_BUS: Final = "default"

_KINDS: Final = {
    Service.SQS: "Queue",
    Service.SNS: "Topic",
    Service.S3: "Bucket",
    Service.EVENTBRIDGE: "Bus",
    Service.KINESIS: "Stream",
    Service.DYNAMODB: "Table",
    Service.COGNITO: "UserPool",
}
_TYPES: Final = {
    Service.SQS: "AWS::SQS::Queue",
    Service.SNS: "AWS::SNS::Topic",
    Service.S3: "AWS::S3::Bucket",
    Service.EVENTBRIDGE: "AWS::Events::EventBus",
    Service.KINESIS: "AWS::Kinesis::Stream",
    Service.DYNAMODB: "AWS::DynamoDB::Table",
    Service.COGNITO: "AWS::Cognito::UserPool",
}


class Resources:
    """What functions read from and send to. Asking for one makes it, unless the environment binds it."""

    def __init__(self, deployment: Deployment, names: Names, ids: LogicalIds) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        """Resources of the template by logical id."""
        self.parameters: dict[str, dict[str, str]] = {}
        """What only whoever deploys knows."""
        self.connections: dict[str, dict[str, Any]] = {}
        """Resources that let services call functions, by logical id."""
        self.outputs: dict[str, dict[str, Any]] = {}
        """What whoever connects the functions by hand needs."""
        self._deployment = deployment
        self._functions = {function.name for function in deployment.functions}
        self._names = names
        self._ids = ids

    def arn(self, service: Service, name: str) -> Value:
        """The ARN of a queue, topic, bucket, bus, stream, table or function. Raises AdapterError if the name is bound
        to another service's ARN."""
        if service is Service.FUNCTION and name in self._functions:
            return get_att(self.function(name), "Arn")
        if not self.is_made(service, name):
            return self._existing(service, name)
        logical_id = self._make(service, name)
        return ref(logical_id) if service is Service.SNS else get_att(logical_id, "Arn")

    def reference(self, service: Service, name: str) -> Value:
        """What ``Ref`` of it is: a bucket's or bus's name."""
        if self.is_made(service, name):
            return ref(self._make(service, name))
        physical = self._names.plain(f"{service}:{name}")
        return physical

    def table_stream(self, name: str, view_type: StreamViewType | None) -> Value:
        """The ARN of a table's stream, which is the deployer's to look up if the table is there already."""
        if not self.is_made(Service.DYNAMODB, name):
            description = f"ARN of the stream of the DynamoDB table {name}"
            return self.parameter(self._ids.of(name, "StreamArn"), description)
        logical_id = self._make(Service.DYNAMODB, name)
        view = {"StreamViewType": str(view_type or StreamViewType.NEW_AND_OLD_IMAGES)}
        self.made[logical_id]["Properties"]["StreamSpecification"] = view
        return get_att(logical_id, "StreamArn")

    def read_queue(self, name: str, *, timeout_seconds: float, window_seconds: float) -> Value:
        """The ARN of a queue that a function reads: one that is made hides its records for long enough, and keeps
        apart what fails again and again."""
        queue = self.arn(Service.SQS, name)
        if self.is_made(Service.SQS, name):
            logical_id = self._make(Service.SQS, name)
            properties = self.made[logical_id]["Properties"]
            advised = round(6 * timeout_seconds + window_seconds)  # Lambda guide: with-sqs
            visibility = max(properties.get("VisibilityTimeout", 30), advised)
            properties["VisibilityTimeout"] = min(visibility, MAXIMUM_VISIBILITY_SECONDS)
            dead_letters = f"{logical_id}DeadLetters"
            properties["RedrivePolicy"] = {
                "deadLetterTargetArn": get_att(dead_letters, "Arn"),
                "maxReceiveCount": MAXIMUM_RECEIVE_COUNT,
            }
            self.made[dead_letters] = _queue(name)
        return queue

    def function(self, name: str) -> str:
        """The logical id of a function."""
        return self._ids.of(name, "Function")

    def logical_id(self, name: str, kind: str) -> str:
        """A logical id that nothing else has."""
        return self._ids.of(name, kind)

    def is_made(self, service: Service, name: str) -> bool:
        """Whether the template makes it: neither bound nor known to exist, and of a kind that can be made."""
        if self._deployment.existing or service not in _TYPES or self._names.is_bound(f"{service}:{name}"):
            return False
        return not (service is Service.EVENTBRIDGE and name == DEFAULT_BUS)

    def bound_arn(self, resource: str) -> str | None:
        """What a resource is bound to, if that is an ARN."""
        physical = self._names.physical(resource)
        return physical if Arn.parse(physical) is not None else None

    def parameter(self, name: str, description: str) -> Value:
        """A value that whoever deploys has to give."""
        self.parameters[name] = {"Type": "String", "Description": description}
        return ref(name)

    def _existing(self, service: Service, name: str) -> Value:
        resource = f"{service}:{name}"
        plain = self._names.plain(resource)
        physical = self._names.physical(resource)
        if Arn.parse(physical) is not None:
            return physical
        if service is Service.S3:
            return sub(f"arn:${{AWS::Partition}}:s3:::{plain}")
        if service is Service.SQS and (known := queue_arn(physical)) is not None:
            return sub(
                f"arn:${{AWS::Partition}}:sqs:{known.region or '${AWS::Region}'}:{known.account_id}:{known.name}"
            )
        aws_service, prefix = ARN_FORMS[service]
        return arn(aws_service, prefix + plain)

    def _make(self, service: Service, name: str) -> str:
        logical_id = self._ids.of(name, _KINDS[service])
        if logical_id not in self.made:
            self.made[logical_id] = _resource(service, name)
        return logical_id


def _resource(service: Service, name: str) -> dict[str, Any]:
    if service is Service.SQS:
        return _queue(name)
    properties: dict[str, Any] = {}
    if service is Service.EVENTBRIDGE:
        properties["Name"] = sub("${AWS::StackName}-" + name)
    elif service is Service.KINESIS:
        properties["StreamModeDetails"] = {"StreamMode": "ON_DEMAND"}
    elif service is Service.DYNAMODB:
        properties = {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": PARTITION_KEY, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": PARTITION_KEY, "KeyType": "HASH"}],
        }
    return _kept({"Type": _TYPES[service]}, properties)


def _queue(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = {"MessageRetentionPeriod": RETENTION_SECONDS}
    if name.endswith(".fifo"):
        properties["FifoQueue"] = True
    return _kept({"Type": "AWS::SQS::Queue"}, properties)


def _kept(resource: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """Data outlives the stack that made its place."""
    return {**resource, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties}
