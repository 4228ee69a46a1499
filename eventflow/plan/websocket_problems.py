"""What is wrong with an app's WebSocket routes when they are seen together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventflow.model.websocket import WebSocketApi
    from eventflow.plan.plan import WebSocketPlan


def websocket_problems(routes: Sequence[WebSocketPlan], api: WebSocketApi | None) -> Iterator[Problem]:
    """Routes that several functions answer, and mistakes in what holds for all of them."""
    first: dict[str, WebSocketPlan] = {}
    for route in routes:
        other = first.setdefault(route.source.route_key, route)
        if other is not route:
            message = f"answers the same route as {_place(other)}"
            yield Problem(where=_place(route), message=message, hint="give one of them another route key")
    if api is None:
        return
    from eventflow.policy.route_selection import Selection  # few apps choose their own

    where = "App(websocket_api=...)"
    for field, message, hint in api.mistakes():
        yield Problem(where=where, field=field, message=message, hint=hint)
    try:
        Selection.parse(api.route_selection_expression)
    except ValueError as exc:
        yield Problem(where=where, field="route_selection_expression", message=str(exc))


def _place(route: WebSocketPlan) -> str:
    endpoint = route.endpoint
    return f"{endpoint.function.where} {endpoint.trigger.decorator if endpoint.trigger else ''}"
