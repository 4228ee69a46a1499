"""Serving Alexa skills: which paths they have, and who verifies their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.run.verifiers import find_verifier
from eventflow.triggers.alexa import AlexaTrigger

if TYPE_CHECKING:
    from eventflow.plan.plan import Plan
    from eventflow.ports import Clock, HttpEndpoint, RequestVerifier
    from eventflow.runtime.callers import Callers


def skill_paths(plan: Plan) -> dict[str, set[str]]:
    """The ids of a plan's skills, by the path where they are served."""
    paths: dict[str, set[str]] = {}
    for function in plan.functions.values():
        for trigger in function.definition.triggers:
            if isinstance(trigger, AlexaTrigger):
                paths.setdefault(trigger.path, set()).add(trigger.skill_id)
    return paths


def skill_endpoints(plan: Plan, callers: Callers, clock: Clock) -> dict[str, HttpEndpoint]:
    """The endpoints of a plan's skills, by path. Raises ConfigurationError if their requests cannot be verified."""
    paths = skill_paths(plan)
    if not paths:
        return {}
    from eventflow.runtime.http.skills import SkillEndpoint  # an app without skills is served without it

    verifier: RequestVerifier = find_verifier("alexa", of="alexa")(clock)
    return {path: SkillEndpoint(path, ids, callers, verifier, clock) for path, ids in paths.items()}
