"""A plan as values to print: per function and trigger the settings that apply, and who performs each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from eventflow.cli import embedded
from eventflow.model.destinations import Service
from eventflow.model.message_queues import ACTIVEMQ_REDELIVERIES
from eventflow.model.trigger import InvocationModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.model.edge import Distribution
    from eventflow.model.function import FunctionDefinition, FunctionSettings
    from eventflow.model.http import HttpSource
    from eventflow.model.mapping import QueueMapping, StreamMapping
    from eventflow.model.subscriptions import Subscription
    from eventflow.model.trigger import Trigger
    from eventflow.model.websocket import WebSocketApi, WebSocketRoute
    from eventflow.plan.environment import SourceBinding
    from eventflow.plan.plan import Plan

EVENTFLOW: Final = "eventflow"

NATIVE: Final[Mapping[Service, frozenset[str]]] = {
    Service.S3: frozenset({"events", "prefix", "suffix"}),
    Service.SNS: frozenset({"filter_policy", "filter_policy_scope"}),
    Service.EVENTBRIDGE: frozenset({"pattern"}),
    Service.SCHEDULE: frozenset({"expression", "timezone", "input"}),
    Service.KINESIS: frozenset({"starting_position", "starting_timestamp"}),
    Service.DYNAMODB: frozenset({"starting_position", "view_type"}),
    Service.DOCUMENTDB: frozenset({"full_document", "starting_position", "starting_timestamp"}),
    Service.KAFKA: frozenset({"consumer_group", "starting_position", "starting_timestamp"}),
}
"""What a service itself does when eventflow runs on it. Batches, windows, filters, retries and limits of polled
sources are Lambda's work, so they are eventflow's here."""

_UNLIMITED: Final = "unlimited"
_RETRIES: Final = "maximum_retry_attempts"
_ASYNCHRONOUS_ONLY: Final = (_RETRIES, "maximum_event_age_seconds")
_DESTINATIONS: Final = ("on_success", "on_failure", "dead_letter_queue")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, its value as text, and ``eventflow`` or the service that performs it."""

    name: str
    value: str
    performed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDescription:
    """One trigger of a function. ``adapter`` is empty where events come to us."""

    decorator: str
    model: InvocationModel
    adapter: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDescription:
    """One function."""

    name: str
    settings: tuple[Setting, ...]
    triggers: tuple[TriggerDescription, ...]


def describe(plan: Plan) -> tuple[FunctionDescription, ...]:
    """Every function of a plan."""
    return tuple(
        FunctionDescription(
            name=function.name,
            settings=tuple(_function_settings(function.definition)),
            triggers=tuple(_trigger(trigger, plan) for trigger in function.definition.triggers),
        )
        for function in plan.functions.values()
    )


def takes_asynchronous_events(definition: FunctionDefinition) -> bool:
    """Whether a function's retries and destinations apply: a source pushes events to it, or it may be invoked
    with ``Event`` because it has no source at all."""
    models = {trigger.invocation_model for trigger in definition.triggers}
    return not models or InvocationModel.ASYNCHRONOUS in models


def _function_settings(definition: FunctionDefinition) -> Iterator[Setting]:
    settings: FunctionSettings = definition.settings
    yield Setting("timeout_seconds", f"{settings.timeout_seconds:g}", EVENTFLOW)
    if settings.reserved_concurrency is not None:
        yield Setting("reserved_concurrency", str(settings.reserved_concurrency), EVENTFLOW)
    if settings.isolation != "none":
        yield Setting("isolation", settings.isolation, EVENTFLOW)
    if takes_asynchronous_events(definition):
        for name in _ASYNCHRONOUS_ONLY:
            yield Setting(name, f"{getattr(settings, name):g}", EVENTFLOW)
    for name in _DESTINATIONS:
        destination = getattr(settings, name)
        if destination is not None:
            yield Setting(name, str(destination), EVENTFLOW)


def _trigger(trigger: Trigger, plan: Plan) -> TriggerDescription:
    binding = plan.environment.binding(trigger.opened_by) if trigger.opened_by else None
    values = {
        **_mapping_values(trigger.mapping),
        **_subscription_values(trigger.subscription("")),
        **_http_values(trigger.http),
        **_websocket_values(trigger.websocket, plan.websocket_api),
    }
    if trigger.service is Service.CLOUDFRONT:
        values = _distribution_values(plan.environment.distributions.get(trigger.name))
    return TriggerDescription(
        decorator=trigger.decorator,
        model=trigger.invocation_model,
        adapter=binding.adapter if binding else "",
        settings=tuple(_setting(name, value, trigger.service, binding) for name, value in values.items()),
    )


def _setting(name: str, value: str, service: Service, binding: SourceBinding | None) -> Setting:
    if binding is None or binding.adapter == embedded.ADAPTER:
        return Setting(name, value, EVENTFLOW)
    if (name, value) == (_RETRIES, _UNLIMITED):
        # RabbitMQ's queues have limits of their own. ActiveMQ counts deliveries, and leaves the limit to its clients.
        if service is Service.RABBITMQ:
            return Setting(name, "the queue's own limit", str(service))
        if service is Service.ACTIVEMQ:
            return Setting(name, _redeliveries(binding.options), EVENTFLOW)
    return Setting(name, value, str(service) if name in NATIVE.get(service, ()) else EVENTFLOW)


def _redeliveries(options: Mapping[str, Any]) -> str:
    maximum = options.get("maximum_redeliveries", ACTIVEMQ_REDELIVERIES)
    return _UNLIMITED if maximum == -1 else f"{maximum}, then the broker's dead-letter queue"


def _mapping_values(mapping: QueueMapping | StreamMapping | None) -> dict[str, str]:
    if mapping is None:
        return {}
    named = {field.name: getattr(mapping.batch, field.name) for field in fields(mapping.batch)}
    named |= {field.name: getattr(mapping, field.name) for field in fields(mapping) if field.name != "batch"}
    return {name: _text(value) for name, value in named.items() if _says_something(value)}


def _subscription_values(subscription: Subscription | None) -> dict[str, str]:
    """What a subscription asks of its source, beyond the mapping."""
    if subscription is None:
        return {}
    named = {field.name: getattr(subscription, field.name) for field in fields(subscription)}
    general = ("name", "subscriber", "service", "mapping")
    return {name: _text(value) for name, value in named.items() if name not in general and _says_something(value)}


def _http_values(source: HttpSource | None) -> dict[str, str]:
    if source is None:
        return {}
    named = {field.name: getattr(source, field.name) for field in fields(source) if field.name != "route_key"}
    return {name: _text(value) for name, value in named.items() if _says_something(value)}


def _distribution_values(distribution: Distribution | None) -> dict[str, str]:
    """What is in front of the origin; the values of headers may be secret."""
    if distribution is None:
        return {"origin": "none in this environment: it is not served"}
    values = {field.name: getattr(distribution, field.name) for field in fields(distribution)}
    values |= {
        "origin": str(distribution.origin),
        "port": distribution.port or "a free one",
        "origin_headers": tuple(distribution.origin_headers),
        "origins": tuple(f"{domain} is {url}" for domain, url in distribution.origins.items()),
    }
    return {name: _text(value) for name, value in values.items() if name != "name" and _says_something(value)}


def _websocket_values(route: WebSocketRoute | None, api: WebSocketApi) -> dict[str, str]:
    """A route's settings, and those that it shares with all routes."""
    if route is None:
        return {}
    named = {field.name: getattr(item, field.name) for item in (route, api) for field in fields(item)}
    return {name: _text(value) for name, value in named.items() if name != "route_key" and _says_something(value)}


def _says_something(value: Any) -> bool:
    return value not in (None, "", (), False, 0)


def _text(value: Any) -> str:
    if value == -1:
        return _UNLIMITED
    if name := getattr(value, "__name__", None):
        return str(name)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
