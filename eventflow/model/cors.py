"""Which web pages may call. Source: API Gateway API: Cors; Lambda API: Cors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LISTS = ("allow_origins", "allow_methods", "allow_headers", "expose_headers")
_MAXIMUM_AGE_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """What browsers are told of pages from elsewhere: ``Cors(allow_origins=("https://shop.example.com",))``.

    ``allow_origins`` are ``*``, origins, or ``https://*``; ``allow_methods`` and ``allow_headers`` may be ``*`` too.
    ``max_age_seconds`` is how long a browser remembers, -1 for not at all.
    """

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_seconds: int | None = None
    allow_credentials: bool = False

    def __str__(self) -> str:
        """What is set, for ``eventflow plan``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        texts = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
        return " ".join(f"{name}={texts[name]}" for name, value in values.items() if value not in ((), None, False))

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Cors:
        """From a table of a configuration file. Raises ValueError for a key or value that is none."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(table.keys() - known):
            raise ValueError(f"{unknown[0]!r} is not a key; known: {', '.join(sorted(known))}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
        }
        cors = cls(**values)
        for _, message, hint in cors.mistakes():
            raise ValueError(f"{message} ({hint})")
        return cors

    def mistakes(self, *, lowest_age_seconds: int = -1) -> Iterator[tuple[str, str, str]]:
        """Field, message and hint of every mistake. A function URL's ages start at 0."""
        for name in _LISTS:
            values: object = getattr(self, name)
            if not isinstance(values, tuple) or not all(_is_plain(value) for value in values):
                yield name, f"{name}={values!r} is not allowed", "a tuple of texts"
        credentials: object = self.allow_credentials
        if not isinstance(credentials, bool):
            yield "allow_credentials", f"allow_credentials={credentials!r} is not allowed", "true or false"
        elif credentials and "*" in self.allow_origins:
            yield "allow_origins", "'*' cannot be combined with allow_credentials", "name the origins"
        age = self.max_age_seconds
        if age is not None and (
            isinstance(age, bool) or not isinstance(age, int) or not lowest_age_seconds <= age <= _MAXIMUM_AGE_SECONDS
        ):
            hint = f"from {lowest_age_seconds} to {_MAXIMUM_AGE_SECONDS:,} seconds"
            yield "max_age_seconds", f"max_age_seconds={age!r} is not allowed", hint


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, str)
        and value.isascii()
        and value.isprintable()
        and "," not in value
        and value == value.strip()
    )
