"""Parts of an HTTP request that a parameter may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter: ``limit: Annotated[int, Query()] = 20``.

    ``name`` is the parameter's own unless it is given. A list takes every value of a repeated name, any other type the
    last one.
    """

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A header: ``tenant: Annotated[str, Header("x-tenant")]``.

    ``name`` is the parameter's own with hyphens unless it is given. Repeated headers are joined with commas.
    """

    name: str | None = None
