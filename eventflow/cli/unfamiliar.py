"""Names that an embedded environment has not heard of: it makes what is asked for, so a mistyped name is no error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.cli import embedded
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from eventflow.model.destinations import Destination
    from eventflow.plan.environment import Environment
    from eventflow.ports import Adapter

_NAMES_SHOWN: Final = 10


class _Kind(NamedTuple):
    """``table`` configures what is made on first use; ``None`` where only subscribers are known."""

    noun: str
    table: str | None


_KINDS: Final[Mapping[Service, _Kind]] = {
    Service.SQS: _Kind("queue", "queues"),
    Service.KINESIS: _Kind("stream", "streams"),
    Service.DYNAMODB: _Kind("table", "tables"),
    Service.KAFKA: _Kind("topic", "kafka"),
    Service.RABBITMQ: _Kind("queue", "rabbitmq"),
    Service.ACTIVEMQ: _Kind("queue", "activemq"),
    Service.DOCUMENTDB: _Kind("collection", "documentdb"),
    Service.SNS: _Kind("topic", None),
    Service.EVENTBRIDGE: _Kind("bus", None),
    Service.S3: _Kind("bucket", None),
}


async def note(adapter: Adapter, environment: Environment, destination: Destination) -> str | None:
    """What to tell somebody who is about to send to a name that is new among others; ``None`` if it is not.

    Ask before the resource is opened, which makes it.
    """
    binding = environment.binding(destination.service)
    kind = _KINDS.get(destination.service)
    if kind is None or binding.adapter != embedded.ADAPTER:
        return None
    prefix = f"{destination.service}:"
    statuses = await adapter.resources()
    known = [status.resource.removeprefix(prefix) for status in statuses if status.resource.startswith(prefix)]
    configured: Collection[str] = binding.options.get(kind.table, ()) if kind.table else ()
    if not known or destination.name in known or destination.name in configured:
        return None
    if kind.table is None:
        return f"nothing subscribes to the {kind.noun} {destination.name}; there are: {_listed(known)}"
    return f"made the {kind.noun} {destination.name}; there were: {_listed(known)}"


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    shown = ", ".join(sorted(names)[:_NAMES_SHOWN])
    return f"{shown} and {rest} more" if rest > 0 else shown
