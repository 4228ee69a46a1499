"""The AWS environment's table in ``eventflow.toml``, checked.

Credentials, profiles and endpoints are AWS's own business: the standard ``AWS_*`` variables, shared configuration
files and container or instance roles all apply.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from string import Formatter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.known_options import known_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.ports import AdapterSettings

PLACEHOLDERS: Final = frozenset({"service", "name"})
"""What ``notification_queue`` may contain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsOptions:
    """Everything an ``[environments.<name>]`` table with ``adapter = "aws"`` may say.

    ``endpoint_url`` and ``profile`` go before their ``AWS_ENDPOINT_URL`` and ``AWS_PROFILE``.
    ``notification_queue`` names the queue that brings the events of buckets, topics, buses and schedules; it may
    contain ``{service}`` and ``{name}``, which makes one queue per resource. ``notification_queues`` overrides it
    for single resources: ``{"s3:uploads": "uploads-events"}``.
    ``lease_table`` is the DynamoDB table of shard leases and checkpoints; a lease that is not renewed for
    ``lease_seconds`` is taken over. ``enhanced_fan_out`` maps a stream to the ARN of its registered consumer.
    ``scheduler_role`` is the ARN of a role that EventBridge Scheduler may send to the notification queue with;
    without one, schedules are provisioned as rules, which know neither time zones nor ``at(...)``.
    ``sns_endpoint`` is the public URL of this app's HTTP server. With one, topics send there instead of to a queue,
    but for those that ``notification_queues`` names.
    """

    profile: str | None = None
    endpoint_url: str | None = None
    notification_queue: str | None = None
    notification_queues: Mapping[str, str] = field(default_factory=dict)
    lease_table: str = "eventflow-leases"
    lease_seconds: float = 20
    enhanced_fan_out: Mapping[str, str] = field(default_factory=dict)
    scheduler_role: str | None = None
    sns_endpoint: str | None = None

    @classmethod
    def parse(cls, settings: AdapterSettings) -> AwsOptions:
        """Raises ConfigurationError naming every key that does not exist and every value that cannot be."""
        where = f"[environments.{settings.environment}]"
        problems = list(_problems(where, settings.options))
        if problems:
            raise ConfigurationError(problems)
        return cls(**settings.options)

    def notification_queue_of(self, resource: str) -> str | None:
        """The logical name of the queue that brings a resource's events; ``resource`` is e.g. ``s3:uploads``."""
        if resource in self.notification_queues:
            return self.notification_queues[resource]
        service, _, name = resource.partition(":")
        if self.notification_queue is None or (service == "sns" and self.sns_endpoint is not None):
            return None
        return self.notification_queue.format(service=service, name=name)

    def topic_url(self, resource: str) -> str | None:
        """Where a topic (``sns:orders``) sends to over HTTP; ``None`` if its messages come through a queue."""
        if self.sns_endpoint is None or resource in self.notification_queues:
            return None
        return self.sns_endpoint.rstrip("/") + topic_path(resource)


def topic_path(resource: str) -> str:
    """The path at which a topic's messages arrive, URL-encoded."""
    return f"/eventflow/sns/{quote(resource.partition(':')[2], safe='')}"


_TEXT: Final = ("profile", "endpoint_url", "notification_queue", "lease_table", "scheduler_role")
_TABLES: Final = {
    "notification_queues": 'a table of queues by resource, e.g. "s3:uploads" = "uploads-events"',
    "enhanced_fan_out": "a table of consumer ARNs by stream",
}
_LEASE_SECONDS: Final = (5, 300)


def _problems(where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    known = [option.name for option in fields(AwsOptions)]
    for key, value in options.items():
        if key not in known:
            hint = known_options(key, known)
            yield Problem(where=where, field=key, message="is not an option of the aws adapter", hint=hint)
        elif key in _TEXT and (not isinstance(value, str) or not value):
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint="text")
        elif key in _TABLES and not _is_table_of_text(value):
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint=_TABLES[key])
        elif key == "lease_seconds" and not _is_number(value, *_LEASE_SECONDS):
            hint = f"a number of seconds from {_LEASE_SECONDS[0]} to {_LEASE_SECONDS[1]}"
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint=hint)
        elif key == "sns_endpoint" and not _is_public_url(value):
            hint = "where SNS reaches this app's server, e.g. https://events.example.com"
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint=hint)
    template = options.get("notification_queue")
    if isinstance(template, str) and not _placeholders(template) <= PLACEHOLDERS:
        hint = "a queue's name, which may contain {service} and {name}"
        yield Problem(where=where, field="notification_queue", message=f"{template!r} is not allowed", hint=hint)


def _placeholders(template: str) -> set[str | None]:
    try:
        return {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError:  # unbalanced braces
        return {None}


def _is_table_of_text(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_public_url(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not (parts.query or parts.fragment or "@" in value)
    )
