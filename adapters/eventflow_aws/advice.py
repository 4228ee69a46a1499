"""What would mend an error, where the error does not say so itself: it depends on the environment."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from eventflow.errors import AdapterError, ResourceNotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow_aws.environment import Environment


@contextmanager
def advised(env: Environment) -> Iterator[None]:
    """AdapterErrors leave the block with a ``mend``, if there is one."""
    try:
        yield
    except AdapterError as exc:
        exc.mend = exc.mend or _mend(env, exc)
        raise


def _mend(env: Environment, exc: AdapterError) -> str | None:
    region = env.clients.region
    match exc:
        case ResourceNotFoundError():
            bound = f"bind the name to another under [environments.{env.settings.environment}.resources]"
            if exc.resource.startswith("function:"):
                return f"is {region} the right region? deploy it there, or {bound}"
            return f"is {region} the right region? `eventflow provision` makes it there; or {bound}"
        case UnavailableError():
            return f"is the address right, {region} the right region, the service running and the network open?"
        case _:
            return None
