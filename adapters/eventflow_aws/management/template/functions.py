"""One function of a template, with its role and its events."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.ports import Remark
from eventflow_aws.management.template.callers import CALLERS
from eventflow_aws.management.template.fronts import FRONTS
from eventflow_aws.management.template.part import FunctionPart
from eventflow_aws.management.template.pollers import POLLERS
from eventflow_aws.management.template.pushers import PUSHERS
from eventflow_aws.management.template.roles import Role
from eventflow_aws.management.template.values import get_att, sub

if TYPE_CHECKING:
    from eventflow.model.deployment import Deployment
    from eventflow.model.destinations import Destination
    from eventflow.model.function import FunctionDefinition
    from eventflow_aws.management.template.apis import Apis
    from eventflow_aws.management.template.resources import Resources

_EVENTS: Final = {**POLLERS, **PUSHERS, **FRONTS, **CALLERS}
_DESTINATION_TYPES: Final = {
    Service.SQS: "SQS",
    Service.SNS: "SNS",
    Service.EVENTBRIDGE: "EventBridge",
    Service.FUNCTION: "Lambda",
    Service.S3: "S3Bucket",
}


def add_function(
    document: dict[str, Any],
    definition: FunctionDefinition,
    deployment: Deployment,
    resources: Resources,
    apis: Apis,
    remarks: list[Remark],
) -> None:
    """Add a function, its role and what goes with them to the resources of a template."""
    role = Role(definition.name)
    logical_id = resources.function(definition.name)
    settings = definition.settings
    where = definition.where
    timeout = math.ceil(settings.timeout_seconds)
    if timeout != settings.timeout_seconds:
        said = f"timeout_seconds of {settings.timeout_seconds:g} is {timeout} s there"
        remarks.append(Remark(where, f"{said}; eventflow itself keeps the shorter one"))
    properties: dict[str, Any] = {
        "FunctionName": sub(f"${{AWS::StackName}}-{definition.name}"),
        "Timeout": timeout,
        "MemorySize": settings.memory_limit_mb,
        "Role": get_att(f"{logical_id}Role", "Arn"),
        "Environment": {"Variables": {deployment.function_variable: definition.name}},
    }
    if settings.reserved_concurrency is not None:
        properties["ReservedConcurrentExecutions"] = settings.reserved_concurrency
    properties.update(_asynchronous(definition, resources, role, remarks))
    events: dict[str, Any] = {}
    for number, trigger in enumerate(definition.triggers, start=1):
        part = FunctionPart(
            definition=definition,
            trigger=trigger,
            resources=resources,
            role=role,
            apis=apis,
            properties=properties,
            remarks=remarks,
            deployment=deployment,
        )
        event = _EVENTS[trigger.service](part)
        if event is not None:
            kind, settings_of_event = event
            events[f"{kind}{number}"] = {"Type": kind, "Properties": settings_of_event}
    if events:
        properties["Events"] = events
    document[f"{logical_id}Role"] = role.resource()
    document[logical_id] = {"Type": "AWS::Serverless::Function", "Properties": properties}
    remarks += [Remark(where, f"its role has a wildcard: {reason}") for reason in role.wildcards]


def _asynchronous(
    definition: FunctionDefinition, resources: Resources, role: Role, remarks: list[Remark]
) -> dict[str, Any]:
    """Retries, ages and destinations of asynchronous invocations, where they are not Lambda's own."""
    settings = definition.settings
    found: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if settings.maximum_retry_attempts != limits.DEFAULT_RETRY_ATTEMPTS:
        config["MaximumRetryAttempts"] = settings.maximum_retry_attempts
    age = math.ceil(settings.maximum_event_age_seconds)
    if age != limits.DEFAULT_EVENT_AGE_SECONDS:
        config["MaximumEventAgeInSeconds"] = age
        if age != settings.maximum_event_age_seconds:
            said = f"maximum_event_age_seconds of {settings.maximum_event_age_seconds:g} is {age} s there"
            remarks.append(Remark(definition.where, said))
    destinations = {"OnSuccess": settings.on_success, "OnFailure": settings.on_failure}
    configured = {name: _destination(to, resources, role) for name, to in destinations.items() if to is not None}
    if configured:
        config["DestinationConfig"] = configured
    if config:
        found["EventInvokeConfig"] = config
    if settings.dead_letter_queue is not None:
        target = role.allow_sending(settings.dead_letter_queue, resources)
        kind = _DESTINATION_TYPES[settings.dead_letter_queue.service]
        found["DeadLetterQueue"] = {"Type": kind, "TargetArn": target}
    return found


def _destination(destination: Destination, resources: Resources, role: Role) -> dict[str, Any]:
    target = role.allow_sending(destination, resources)
    return {"Type": _DESTINATION_TYPES[destination.service], "Destination": target}
