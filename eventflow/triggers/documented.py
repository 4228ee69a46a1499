"""``@documented``: what annotations cannot say of an HTTP function. Source: OpenAPI 3.1: Operation Object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflow.model.documentation import Documentation
from eventflow.triggers._marks import F, mark_with_documentation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def documented(
    *,
    summary: str | None = None,
    description: str | None = None,
    tags: Sequence[str] = (),
    responses: Mapping[int, Any] | None = None,
    deprecated: bool | None = None,
    hidden: bool = False,
) -> Callable[[F], F]:
    """Say of an HTTP function what its OpenAPI document cannot find out. What the function does stays the same. ::

        @on_http("POST /orders")
        @documented(tags=["orders"], responses={201: Order, 409: Problem})
        async def create_order(order: Order) -> dict[str, object]: ...

    ``responses`` are all statuses of the responses that the function itself makes, each with the type of its JSON body,
    ``str`` or ``bytes`` for a body of another kind, ``None`` for none. ``summary`` and ``description`` stand for the
    docstring's, ``deprecated`` for what ``@deprecated`` says. A ``hidden`` function is left out.
    """
    said = Documentation(
        summary=summary,
        description=description,
        tags=(tags,) if isinstance(tags, str) else tuple(tags),
        responses=tuple((responses or {}).items()),
        deprecated=deprecated,
        hidden=hidden,
    )
    return mark_with_documentation(said)
