"""What is said once everything runs: functions, triggers, address, data directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from eventflow.cli.embedded import data_of
from eventflow.cli.output import counted, table
from eventflow.cli.serve_options import is_local
from eventflow.model.permissions import AuthType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import FunctionPlan, Plan
    from eventflow.run.runner import Started

FUNCTION_HEADER: Final = ("function", "trigger", "model", "adapter")


def startup_text(plan: Plan, started: Started) -> str:
    """The table for a terminal."""
    facts = [("app", plan.app_name), ("environment", _environment(plan.environment))]
    facts += [("address", started.address)] if started.address else []
    facts += [("docs", f"{started.address}/docs")] if started.docs else []
    if started.address and plan.websocket_routes:
        facts.append(("WebSocket", f"ws{started.address.removeprefix('http')}/{plan.websocket_api.stage}"))
    for name, address in started.edges.items():
        facts.append((name, f"{address} in front of {plan.environment.distributions[name].origin}"))
    if started.address and not is_local(urlsplit(started.address).hostname or ""):
        facts.append(("Invoke API", _invoke_api(plan, started)))
    lines = ["", table(FUNCTION_HEADER, list(function_rows(plan)), indent=2), ""]
    lines += [f"  {click.style(f'{name:11}', dim=True)}  {value}" for name, value in facts]
    return "\n".join([*lines, "", click.style("  Ctrl-C stops it", dim=True), ""])


def _invoke_api(plan: Plan, started: Started) -> str:
    if not started.invoke_api:
        return "closed; access keys in the environment open it to callers that sign"
    if started.invoke_auth_type is AuthType.NONE:
        return "open to whoever reaches the address"
    return f"open to callers that sign with one of {counted(len(plan.environment.callers), 'access key')}"


def ready_fields(plan: Plan, started: Started) -> dict[str, Any]:
    """The same for a log record."""
    return {
        "app": plan.app_name,
        "environment": plan.environment.name,
        "address": started.address,
        "invoke_api": started.invoke_api,
        "docs": started.docs,
        "invoke_auth_type": started.invoke_auth_type,
        "data": data_of(plan.environment),
        "functions": list(plan.functions),
        **({"distributions": dict(started.edges)} if started.edges else {}),
    }


def function_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """One row per trigger, under FUNCTION_HEADER; the function's name on its first."""
    for function in plan.functions.values():
        name = function.name
        for row in _trigger_rows(plan, function):
            yield (name, *row)
            name = ""


def _trigger_rows(plan: Plan, function: FunctionPlan) -> Iterator[tuple[str, str, str]]:
    for trigger in function.definition.triggers:
        adapter = plan.environment.binding(trigger.opened_by).adapter if trigger.opened_by else ""
        yield trigger.decorator, trigger.invocation_model, adapter
    if not function.definition.triggers:
        yield "(invoked directly)", "", ""


def _environment(environment: Environment) -> str:
    data = data_of(environment)
    return f"{environment.name} ({environment.adapter}{f', data in {data}' if data else ''})"
