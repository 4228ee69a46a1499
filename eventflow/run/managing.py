"""Making, checking and permitting what an app names: one blueprint per adapter of its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.blueprint import Blueprint
from eventflow.ports import Inspector, Permissions, PermissionSource, Provisioner, TemplateSource
from eventflow.run.adapters import Adapters, adapter_problems, adapters_of, outward, own_adapter_of
from eventflow.run.runner import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from eventflow.model.deployment import Deployment
    from eventflow.model.destinations import Destination
    from eventflow.model.subscriptions import Subscription
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import Plan, QueuePlan, StreamPlan
    from eventflow.ports import Adapter, Inspection, ProvisionStep, Template, TemplateKind


class AdapterBlueprint(NamedTuple):
    """What one adapter is asked for. ``service`` is one that it serves; ``""`` is the environment's own adapter, and
    ``None`` the one that only keeps the event queue."""

    service: str | None
    adapter: str
    blueprint: Blueprint


def blueprints(plan: Plan) -> Iterator[AdapterBlueprint]:
    """One blueprint per adapter that the plan asks for anything, the environment's own first."""
    environment = plan.environment
    subscriptions: dict[str, list[Subscription]] = {}
    destinations: dict[str, list[Destination]] = {}
    for notification in plan.notifications:
        subscriptions.setdefault(_key(plan, notification.opened_by), []).append(notification.subscription)
    polled: list[QueuePlan | StreamPlan] = [*plan.queues, *plan.streams]
    for item in polled:
        subscriptions.setdefault(_key(plan, item.endpoint.source), []).append(item.subscription)
    for destination in outward(plan):
        destinations.setdefault(_key(plan, destination.service), []).append(destination)
    queue = environment.event_queue
    keeper = None if queue.adapter is not None else _key(plan, queue.service or "")
    for key in dict.fromkeys(("", *subscriptions, *destinations, *([keeper] if keeper else []))):
        blueprint = Blueprint(
            app_name=plan.app_name,
            subscriptions=tuple(subscriptions.get(key, ())),
            destinations=tuple(destinations.get(key, ())),
            event_queue=queue.name if key == keeper else None,
        )
        if key or blueprint != Blueprint(app_name=plan.app_name):
            yield AdapterBlueprint(key, environment.binding(key).adapter, blueprint)
    if keeper is None:
        blueprint = Blueprint(app_name=plan.app_name, event_queue=queue.name)
        yield AdapterBlueprint(None, environment.event_queue_binding().adapter, blueprint)


async def provision(plan: Plan, *, dry_run: bool) -> AsyncIterator[ProvisionStep]:
    """Make what the plan names, in every adapter that can.

    Raises ConfigurationError if an adapter's options are wrong, before anything is made, or if none of the plan's
    adapters provisions anything; AdapterError.
    """
    clock = SystemClock()
    if problems := adapter_problems(plan.environment, clock=clock):
        raise ConfigurationError(problems)
    async with Adapters(plan.environment, clock=clock) as adapters:
        offering = 0
        for item in blueprints(plan):
            adapter = await _adapter(adapters, item)
            if isinstance(adapter, Provisioner):
                offering += 1
                async for step in adapter.provision(item.blueprint, dry_run=dry_run):
                    yield step
    if not offering:
        raise ConfigurationError([_nothing_to(plan, "provision")])


async def inspect(plan: Plan) -> list[Inspection]:
    """What every adapter that can look at its resources finds there."""
    found: list[Inspection] = []
    async with Adapters(plan.environment, clock=SystemClock()) as adapters:
        for item in blueprints(plan):
            adapter = await _adapter(adapters, item)
            if isinstance(adapter, Inspector):
                found += await adapter.inspect(item.blueprint)
    return found


def inspection_rules(environment: Environment) -> set[str]:
    """The ids of the rules by which the environment's adapters look at their resources."""
    adapters = adapters_of(environment, clock=SystemClock())
    return {rule for adapter in adapters if isinstance(adapter, Inspector) for rule in adapter.inspection_rules}


async def permissions(plan: Plan) -> Permissions:
    """What the identities that run and provision the app have to be allowed. Asks no service.

    Raises ConfigurationError if no adapter of the plan knows permissions.
    """
    found: list[Permissions] = []
    async with Adapters(plan.environment, clock=SystemClock()) as adapters:
        for item in blueprints(plan):
            adapter = await _adapter(adapters, item)
            if isinstance(adapter, PermissionSource):
                found.append(adapter.permissions(item.blueprint))
    if not found:
        raise ConfigurationError([_nothing_to(plan, "permit")])
    return Permissions(
        runtime=tuple(statement for item in found for statement in item.runtime),
        provisioning=tuple(statement for item in found for statement in item.provisioning),
    )


def template(plan: Plan, deployment: Deployment, kind: TemplateKind) -> Template:
    """The app as a template of the service's own functions. Asks no service.

    Raises ConfigurationError if the adapter of the plan's environment writes no templates, AdapterError.
    """
    adapter = own_adapter_of(plan.environment, clock=SystemClock())
    if not isinstance(adapter, TemplateSource):
        raise ConfigurationError([_nothing_to(plan, "deploy")])
    return adapter.template(deployment, kind)


async def _adapter(adapters: Adapters, item: AdapterBlueprint) -> Adapter:
    return await (adapters.event_queue_keeper() if item.service is None else adapters.serving(item.service))


def _key(plan: Plan, service: str) -> str:
    return service if service in plan.environment.sources else ""


def _nothing_to(plan: Plan, verb: str) -> Problem:
    names = ", ".join(dict.fromkeys(item.adapter for item in blueprints(plan)))
    return Problem(
        where=f"environment {plan.environment.name}",
        message=f"there is nothing to {verb}: its adapters ({names}) need no such thing",
        hint="choose an environment of a service with --env",
    )
