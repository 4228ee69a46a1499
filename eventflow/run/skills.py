"""Serving Alexa skills: which paths they have, and who verifies their requests."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from eventflow.errors import ConfigurationError, Problem
from eventflow.triggers.alexa import AlexaTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.plan.plan import Plan
    from eventflow.ports import Clock, HttpEndpoint, RequestVerifier
    from eventflow.runtime.callers import Callers

ENTRY_POINT_GROUP: Final = "eventflow.verifiers"


def skill_paths(plan: Plan) -> dict[str, set[str]]:
    """The ids of a plan's skills, by the path where they are served."""
    paths: dict[str, set[str]] = {}
    for function in plan.functions.values():
        for trigger in function.definition.triggers:
            if isinstance(trigger, AlexaTrigger):
                paths.setdefault(trigger.path, set()).add(trigger.skill_id)
    return paths


def find_verifier(name: str) -> Callable[[Clock], RequestVerifier]:
    """The verifier registered under ``name``. Raises ConfigurationError if what it needs is not installed."""
    try:
        [point] = entry_points(group=ENTRY_POINT_GROUP, name=name)
        verifier: Callable[[Clock], RequestVerifier] = point.load()
    except (ImportError, ValueError) as exc:
        hint = "pip install 'eventflow[aws]'"
        problem = Problem(where=f"requests of {name}", message=f"cannot be verified: {exc}", hint=hint)
        raise ConfigurationError([problem]) from exc
    return verifier


def skill_endpoints(plan: Plan, callers: Callers, clock: Clock) -> dict[str, HttpEndpoint]:
    """The endpoints of a plan's skills, by path. Raises ConfigurationError if their requests cannot be verified."""
    paths = skill_paths(plan)
    if not paths:
        return {}
    from eventflow.runtime.http.skills import SkillEndpoint  # an app without skills is served without it

    verifier = find_verifier("alexa")(clock)
    return {path: SkillEndpoint(path, ids, callers, verifier, clock) for path, ids in paths.items()}
