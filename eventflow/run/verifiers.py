"""Finding what verifies requests: plug-ins, since signatures take libraries that the core does not have."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Final

from eventflow.errors import ConfigurationError, Problem

ENTRY_POINT_GROUP: Final = "eventflow.verifiers"


def find_verifier(name: str, *, of: str) -> Any:
    """The verifier registered under ``name``, whose requests are ``of`` somebody. Raises ConfigurationError if what it
    needs is not installed."""
    try:
        [point] = entry_points(group=ENTRY_POINT_GROUP, name=name)
        return point.load()
    except (ImportError, ValueError) as exc:
        hint = "pip install 'eventflow[aws]'"
        problem = Problem(where=f"requests of {of}", message=f"cannot be verified: {exc}", hint=hint)
        raise ConfigurationError([problem]) from exc
