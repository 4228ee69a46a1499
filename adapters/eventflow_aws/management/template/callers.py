"""Services that call one function and wait: user pools, skills, bots, stacks and distributions.

Source: AWS SAM specification: Cognito, AlexaSkill; Lex guide: lambda-attach; CloudFront guide: Lambda@Edge
restrictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Service
from eventflow_aws.management.template.pushers import topic
from eventflow_aws.management.template.values import get_att, ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow_aws.management.template.part import FunctionPart

    Event = tuple[str, dict[str, Any]]

_VERSIONED: Final = frozenset({"CustomEmailSender", "CustomSMSSender", "InboundFederation"})
"""Triggers whose settings have a version, and the senders' a key, which SAM cannot say."""


def user_pool(part: FunctionPart) -> Event | None:
    triggers: tuple[str, ...] = getattr(part.trigger, "triggers", ())
    named = [trigger for trigger in triggers if trigger not in _VERSIONED]
    for trigger in triggers:
        if trigger in _VERSIONED:
            what = f"{trigger} is more than a function there (a version, a sender's key)"
            part.remark(f"{what}, which SAM cannot say: connect it by hand")
    if not part.resources.is_made(Service.COGNITO, part.name):
        part.remark(f"the user pool {part.name} is not of this template, and only that could call: connect it by hand")
        return None
    if not named:
        return None
    return "Cognito", {"UserPool": part.resources.reference(Service.COGNITO, part.name), "Trigger": named}


def skill(part: FunctionPart) -> Event:
    _tell_siblings(part, "skill")
    part.remark("enter its ARN as the endpoint of the skill in the developer console")
    _output_arn(part)
    return "AlexaSkill", {"SkillId": part.name}


def bot(part: FunctionPart) -> None:
    _tell_siblings(part, "bot")
    part.remark(f"make it the code hook of an alias of the bot {part.name}: bots say that of themselves")
    _output_arn(part)
    part.resources.connections[f"{part.function_id}LexPermission"] = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": get_att(part.function_id, "Arn"),
            "Principal": "lexv2.amazonaws.com",
            "SourceAccount": ref("AWS::AccountId"),
        },
    }


def custom_resource(part: FunctionPart) -> Event | None:
    """The topic that requests come through; without one, the function is the ``ServiceToken`` of other stacks."""
    if part.subscription is not None:
        return topic(part)
    _output_arn(part)
    return None


def distribution(part: FunctionPart) -> None:
    part.remark(
        "CloudFront takes no function with environment variables, and only from us-east-1: deploy it by itself there, "
        "with a handler made in code (handler = LambdaHandler(app.freeze()))"
    )


def _output_arn(part: FunctionPart) -> None:
    part.resources.outputs[f"{part.function_id}Arn"] = {"Value": get_att(part.function_id, "Arn")}


def _tell_siblings(part: FunctionPart, what: str) -> None:
    """Say so if a caller that knows one function would have to know several."""
    others = [
        definition.name
        for definition in part.deployment.functions
        if definition is not part.definition
        and any(trigger.service is part.service and trigger.name == part.name for trigger in definition.triggers)
    ]
    if others:
        part.remark(
            f"its {what} calls one function only, and {', '.join(others)} would be another: deploy the app as one "
            f"function without {part.deployment.function_variable}, which chooses as `serve` does"
        )


CALLERS: Final[Mapping[Service, Callable[[FunctionPart], Event | None]]] = {
    Service.COGNITO: user_pool,
    Service.ALEXA: skill,
    Service.LEX: bot,
    Service.CLOUDFORMATION: custom_resource,
    Service.CLOUDFRONT: distribution,
}
"""From one caller to the type and properties of its event, unless it is connected some other way."""
