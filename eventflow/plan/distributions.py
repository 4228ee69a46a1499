"""Distributions of CloudFront in an environment: ``[environments.<name>.cloudfront.<distribution>]``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import Problem
from eventflow.model.edge import METHOD_SETS, READ_TIMEOUT_SECONDS, Distribution, OriginUrl
from eventflow.policy.edge_headers import custom_header_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_URL: Final = "for example http://127.0.0.1:9000"


def distribution(name: str, table: Mapping[str, Any]) -> Distribution:
    """A distribution from its table, in which there is no problem."""
    own = {key: value for key, value in table.items() if key not in ("origin", "origins", "allowed_methods")}
    if "allowed_methods" in table:
        own["allowed_methods"] = _method_set(table["allowed_methods"])
    return Distribution(
        name=name,
        origin=OriginUrl.parse(table["origin"]),
        origins={domain: OriginUrl.parse(url) for domain, url in table.get("origins", {}).items()},
        **{"distribution_id": name, "domain_name": f"{name}.cloudfront.localhost", **own},
    )


def distribution_problems(tables: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Every mistake in an environment's ``cloudfront`` table."""
    for name, table in tables.items():
        field = f"cloudfront.{name}"
        if not _NAME.fullmatch(name):
            hint = "1 to 64 letters, digits, - and _"
            yield Problem(where=where, field=field, message="is no name of a distribution", hint=hint)
        if not isinstance(table, dict) or "origin" not in table:
            hint = f"[environments.<name>.{field}] needs origin = ..., {_URL}"
            yield Problem(where=where, field=field, message="names no origin", hint=hint)
            continue
        for key, value in table.items():
            problem, hint = _OPTIONS[key](value) if key in _OPTIONS else (_UNKNOWN, f"known: {', '.join(_OPTIONS)}")
            if problem:
                yield Problem(where=where, field=f"{field}.{key}", message=problem, hint=hint)


_Finding = tuple[str | None, str]
"""What is wrong, if anything, and what would be right."""
_UNKNOWN: Final = "is not a key"


def _url(value: object) -> _Finding:
    try:
        if not isinstance(value, str):
            raise ValueError("is not text")
        OriginUrl.parse(value)
    except ValueError as exc:
        shown = "" if "@" in str(value) else f"{value!r} "  # there may be a password before it
        return f"{shown}{exc}", _URL
    return None, ""


def _whole_number(low: int, high: int, what: str) -> Callable[[object], _Finding]:
    def check(value: object) -> _Finding:
        right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if right else f"{value!r} is not allowed", f"{what} from {low} to {high}"

    return check


def _text(value: object) -> _Finding:
    right = isinstance(value, str) and value != "" and value.isascii() and value.isprintable()
    return None if right else f"{value!r} is not allowed", "text of one line, in ASCII"


def _methods(value: object) -> _Finding:
    hint = " or ".join(str(list(methods)) for methods in METHOD_SETS)
    return None if _method_set(value) else f"{value!r} is not allowed", f"CloudFront knows {hint}"


def _method_set(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return next((methods for methods in METHOD_SETS if sorted(methods) == sorted(map(str, value))), None)


def _headers(value: object) -> _Finding:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        return "is not a table of text", 'for example { x-from = "edge" }'  # the values may be secret
    return next(filter(None, map(custom_header_problem, value, value.values())), None), "CloudFront refuses it, too"


def _origins(value: object) -> _Finding:
    hint = f'for example "api.example.com" = "http://127.0.0.1:9001": {_URL}'
    if not isinstance(value, dict):
        return f"{value!r} is not a table", hint
    found = ((domain, _url(url)[0]) for domain, url in value.items())
    return next((f"{domain}: {problem}" for domain, problem in found if problem), None), hint


_OPTIONS: Final[Mapping[str, Callable[[object], _Finding]]] = {
    "origin": _url,
    "port": _whole_number(0, 65_535, "a port"),
    "distribution_id": _text,
    "domain_name": _text,
    "allowed_methods": _methods,
    "origin_headers": _headers,
    "origin_read_timeout_seconds": _whole_number(*READ_TIMEOUT_SECONDS, "seconds"),
    "origins": _origins,
}
