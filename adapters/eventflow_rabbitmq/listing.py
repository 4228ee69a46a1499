"""The queues that an environment binds, for ``eventflow list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.errors import ResourceNotFoundError
from eventflow.ports import ResourceStatus
from eventflow_rabbitmq import questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow_rabbitmq.environment import Environment

_PREFIX = "rabbitmq:"


async def resources(env: Environment) -> Sequence[ResourceStatus]:
    """AMQP lists no queues, so those with a name under ``resources`` are asked for. Raises AccessDeniedError,
    UnavailableError."""
    return [await _status(env, name) for name in env.settings.resources if name.startswith(_PREFIX)]


async def _status(env: Environment, resource: str) -> ResourceStatus:
    address = env.address(resource.removeprefix(_PREFIX))
    figures: dict[str, int | str] = {"queue": address.wire}
    try:
        figures["waiting"] = await questions.waiting(env.connections, address, resource=resource)
    except ResourceNotFoundError:
        figures["waiting"] = "missing"
    return ResourceStatus(resource=resource, figures=figures)
