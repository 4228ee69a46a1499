"""Buses and their rules, and schedules: what they match goes to a queue."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow.model.subscriptions import BusRule, ScheduleRule
from eventflow.ports import ProvisionAction, ProvisionStep
from eventflow_aws.faults import creating, error_code, translate, translated
from eventflow_aws.management.queues import permit_senders
from eventflow_aws.names import Arn
from eventflow_aws.notifications.schedule_names import schedule_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventflow_aws.management.connections import Connection
    from eventflow_aws.management.provisioning_run import Provisioning

DEFAULT_BUS: Final = "default"
TARGET_ID: Final = "eventflow"
RULE_NAME_LENGTH: Final = 64

SCHEDULED_EVENT: Final = json.dumps(
    {
        "version": "0",
        "id": "<aws.scheduler.execution-id>",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "{account}",
        "time": "<aws.scheduler.scheduled-time>",
        "region": "{region}",
        "resources": ["<aws.scheduler.schedule-arn>"],
        "detail": {},
    }
)
"""What a schedule sends: the event that a rule would, with Scheduler's own values in it. An ``input`` of the trigger
takes its place when it arrives. Source: Scheduler guide: managing-schedule-context-attributes."""


async def make_bus(run: Provisioning, resource: str) -> ProvisionStep:
    name = run.env.names.plain(resource)
    events = await run.env.clients.events()
    try:
        with translated(resource, "events:DescribeEventBus"):
            await events.describe_event_bus(Name=name)
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=name)
    except ResourceNotFoundError:
        if not run.dry_run:
            with creating(resource, "events:CreateEventBus"):
                await events.create_event_bus(Name=name)
    return ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=name)


async def route_events(
    run: Provisioning, app_name: str, queue: str, connection: Connection
) -> AsyncIterator[ProvisionStep]:
    """One rule per ``@on_eventbridge``, whose target is the queue."""
    bus = run.env.names.plain(connection.resource)
    numbers: dict[str, int] = {}
    for rule in connection.subscriptions:
        if isinstance(rule, BusRule):
            numbers[rule.subscriber] = number = numbers.get(rule.subscriber, 0) + 1
            name = rule_name(app_name, rule.subscriber, number)
            async for step in _rule(run, queue, connection.resource, name, bus, EventPattern=rule.pattern):
                yield step


async def route_schedule(run: Provisioning, queue: str, connection: Connection) -> AsyncIterator[ProvisionStep]:
    """A schedule if there is a role for it to send with, else a rule."""
    for schedule in connection.subscriptions:
        if not isinstance(schedule, ScheduleRule):
            continue
        name = schedule_name(run.env.names, schedule)
        if run.env.options.scheduler_role is not None:
            yield await _schedule(run, queue, name, schedule, run.env.options.scheduler_role)
            continue
        if schedule.timezone != "UTC" or schedule.expression.startswith("at("):
            message = (
                f"{schedule.expression} in {schedule.timezone} needs EventBridge Scheduler: set scheduler_role "
                "to the ARN of a role that scheduler.amazonaws.com may assume and that may send to the queue"
            )
            raise AdapterError(connection.resource, message)
        async for step in _rule(
            run, queue, connection.resource, name, DEFAULT_BUS, ScheduleExpression=schedule.expression
        ):
            yield step


def rule_name(app_name: str, subscriber: str, number: int) -> str:
    """Stable over changes of the pattern, so that a changed one replaces the old."""
    suffix = "" if number == 1 else f"-{number}"
    name = re.sub(r"[^.A-Za-z0-9_-]", "-", f"eventflow-{app_name}-{subscriber}")
    return name[: RULE_NAME_LENGTH - len(suffix)] + suffix


async def _rule(
    run: Provisioning, queue: str, resource: str, name: str, bus: str, **trigger: str
) -> AsyncIterator[ProvisionStep]:
    target = run.arns.of(queue).arn
    path = f"rule/{name}" if bus == DEFAULT_BUS else f"rule/{bus}/{name}"
    yield await permit_senders(run, queue, "events", _in_account(run, "events", path))
    detail = f"rule {name} sends to {queue}"
    events = await run.env.clients.events()
    before: dict[str, Any] | None = None
    targets: list[Any] = []
    try:
        with translated(resource, "events:DescribeRule"):
            before = dict(await events.describe_rule(Name=name, EventBusName=bus))
        with translated(resource, "events:ListTargetsByRule"):
            targets = (await events.list_targets_by_rule(Rule=name, EventBusName=bus))["Targets"]
    except ResourceNotFoundError:
        pass
    same = before is not None and all(_same(before.get(key), value) for key, value in trigger.items())
    connected = any(item["Arn"] == target for item in targets)
    if same and connected:
        yield ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=detail)
        return
    if not run.dry_run:
        settings: Any = trigger
        with translated(resource, "events:PutRule"):
            await events.put_rule(Name=name, EventBusName=bus, **settings)
        with translated(resource, "events:PutTargets"):
            await events.put_targets(Rule=name, EventBusName=bus, Targets=[_target(target)])
    action = ProvisionAction.CREATE if before is None else ProvisionAction.UPDATE
    yield ProvisionStep(resource=resource, action=action, detail=detail)


async def _schedule(run: Provisioning, queue: str, name: str, schedule: ScheduleRule, role: str) -> ProvisionStep:
    region, account = run.env.clients.region, run.account_id
    wanted: dict[str, Any] = {
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.timezone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": run.arns.of(queue).arn,
            "RoleArn": role,
            "Input": SCHEDULED_EVENT.replace("{account}", account).replace("{region}", region),
        },
    }
    scheduler = await run.env.clients.scheduler()
    detail = f"schedule {name}, {schedule.expression}, sends to {queue}"
    resource = f"schedule:{schedule.name}"
    try:
        before: dict[str, Any] = dict(await scheduler.get_schedule(Name=name))
    except ClientError as exc:
        if error_code(exc) != "ResourceNotFoundException":
            raise translate(exc, resource, "scheduler:GetSchedule") from exc
        if not run.dry_run:
            with creating(resource, "scheduler:CreateSchedule"):
                await scheduler.create_schedule(Name=name, **wanted)
        return ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=detail)
    target = {key: before.get("Target", {}).get(key) for key in wanted["Target"]}
    if {**{key: before.get(key) for key in wanted}, "Target": target} == wanted:
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=detail)
    if not run.dry_run:
        with translated(resource, "scheduler:UpdateSchedule"):
            await scheduler.update_schedule(Name=name, **wanted)
    return ProvisionStep(resource=resource, action=ProvisionAction.UPDATE, detail=detail)


def _target(queue: str) -> Any:
    target = {"Id": TARGET_ID, "Arn": queue}
    if queue.endswith(".fifo"):
        target["SqsParameters"] = {"MessageGroupId": TARGET_ID}  # type: ignore[assignment]
    return target


def _same(before: Any, wanted: str) -> bool:
    """Patterns are compared as JSON, schedule expressions as they are."""
    if before is None:
        return False
    return bool(before == wanted or (wanted.startswith("{") and json.loads(before) == json.loads(wanted)))


def _in_account(run: Provisioning, service: str, name: str) -> str:
    return str(Arn(run.env.clients.partition, service, run.env.clients.region, run.account_id, name))
