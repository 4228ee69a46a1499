"""Environments: which adapter serves which source, and under what physical names.

Read from ``eventflow.toml``, or from ``[tool.eventflow]`` in ``pyproject.toml``. An environment variable
``EVENTFLOW_<KEY>`` overrides a key of the environment's table. With no file at all, ``local`` exists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.errors import ConfigurationError, Problem
from eventflow.model import limits
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_ENVIRONMENT: Final = "local"
_NO_OPTIONS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBinding:
    """Which adapter serves one service, and the options it gets for it."""

    adapter: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment, complete.

    ``options`` is what the default adapter gets; ``sources`` overrides it per service. ``resources`` binds
    logical names (``sqs:orders``) to physical ones. ``event_queue`` names where asynchronous events wait.
    """

    name: str = DEFAULT_ENVIRONMENT
    adapter: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, SourceBinding] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    event_queue: str = "default"
    concurrency: int = limits.DEFAULT_CONCURRENCY
    region: str = "us-east-1"
    account_id: str = "000000000000"

    def binding(self, service: str) -> SourceBinding:
        """The adapter and options for a service."""
        return self.sources.get(service) or SourceBinding(adapter=self.adapter, options=self.options)

    def function_arn(self, function_name: str) -> str:
        """The unqualified ARN of a function."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{function_name}"


class _Document(NamedTuple):
    """A configuration file's ``environments`` table, and how messages name the file."""

    where: str
    environments: Mapping[str, Any]


def load_environment(
    name: str | None = None,
    *,
    directory: Path | None = None,
    variables: Mapping[str, str] = _NO_OPTIONS,
) -> Environment:
    """The environment called ``name`` (default: ``EVENTFLOW_ENV``, then ``local``), as ``directory`` defines it.

    ``variables`` are the process's environment variables.
    Raises ConfigurationError, naming every mistake: a file that is not TOML, an unknown environment, a key
    that does not exist, a value of the wrong type.
    """
    document = _read_document(directory or Path())
    name = name or variables.get("EVENTFLOW_ENV") or DEFAULT_ENVIRONMENT
    if name not in document.environments and name != DEFAULT_ENVIRONMENT:
        known = sorted({*document.environments, DEFAULT_ENVIRONMENT})
        problem = Problem(
            where=document.where,
            message=f"there is no environment {name!r}",
            hint=f"known: {', '.join(known)}; add [environments.{name}]",
        )
        raise ConfigurationError([problem])
    table = document.environments.get(name, {})
    where = f"{document.where} [environments.{name}]"
    if not isinstance(table, dict):
        raise ConfigurationError([Problem(where=where, message="is not a table")])
    overrides = _overrides(variables)
    return _environment(name, {**table, **overrides}, where, overrides)


def _read_document(directory: Path) -> _Document:
    own = directory / "eventflow.toml"
    if own.is_file():
        return _document("eventflow.toml", _parse(own))
    project = directory / "pyproject.toml"
    if project.is_file():
        table = _parse(project).get("tool", {}).get("eventflow")
        if table is not None:
            return _document("pyproject.toml [tool.eventflow]", table)
    return _Document("eventflow.toml", {})


def _parse(path: Path) -> dict[str, Any]:
    import tomllib  # most laptops have no file to read

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError([Problem(where=str(path), message=f"is not valid TOML: {exc}")]) from exc


def _document(where: str, table: Mapping[str, Any]) -> _Document:
    unknown = [key for key in table if key != "environments"]
    if unknown:
        hint = "the only table here is [environments.<name>]"
        raise ConfigurationError(
            [Problem(where=where, field=key, message="is not a key", hint=hint) for key in unknown]
        )
    environments = table.get("environments", {})
    if not isinstance(environments, dict):
        raise ConfigurationError([Problem(where=where, field="environments", message="is not a table")])
    return _Document(where, environments)


_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "adapter": (str, "an adapter's name"),
    "event_queue": (str, 'a store, e.g. "sqs:shop-events"'),
    "concurrency": (int, "a whole number of concurrent invocations"),
    "region": (str, "a region, e.g. eu-west-1"),
    "account_id": (str, "a 12-digit account id in quotes"),
    "sources": (dict, "a table [environments.<name>.sources.<service>]"),
    "resources": (dict, "a table of logical to physical names"),
}

_BOUND: Final = tuple(service.value for service in Service if service not in (Service.FUNCTION, Service.HTTP))
"""The services that adapters serve."""


def _overrides(variables: Mapping[str, str]) -> dict[str, Any]:
    scalars = ("adapter", "event_queue", "concurrency", "region", "account_id", "data")
    found: dict[str, Any] = {}
    for key in scalars:
        text = variables.get(f"EVENTFLOW_{key.upper()}")
        if text is not None:
            found[key] = int(text) if key == "concurrency" and text.isdigit() else text
    return found


def _environment(name: str, table: Mapping[str, Any], where: str, overrides: Mapping[str, Any]) -> Environment:
    problems = [*_type_problems({**table, **dict.fromkeys(overrides)}, where)]
    for key in overrides:
        problems += _type_problems({key: overrides[key]}, f"environment variable EVENTFLOW_{key.upper()}")
    if problems:
        raise ConfigurationError(problems)
    known = {key: table[key] for key in _TYPES if key in table and key != "sources"}
    options = {key: value for key, value in table.items() if key not in _TYPES}
    sources = {
        service: SourceBinding(
            adapter=source["adapter"],
            options={**options, **{key: value for key, value in source.items() if key != "adapter"}},
        )
        for service, source in table.get("sources", {}).items()
    }
    return Environment(name=name, options=options, sources=sources, **known)


def _type_problems(table: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for key, (kind, hint) in _TYPES.items():
        value = table.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint=hint)
    if isinstance(table.get("concurrency"), int) and table["concurrency"] < 1:
        value = table["concurrency"]
        yield Problem(where=where, field="concurrency", message=f"{value!r} is not allowed", hint="at least 1")
    for service, source in _items(table.get("sources")):
        if service not in _BOUND:
            hint = f"known: {', '.join(_BOUND)}"
            yield Problem(where=where, field=f"sources.{service}", message="is not a service", hint=hint)
        elif not isinstance(source, dict) or not isinstance(source.get("adapter"), str):
            hint = f'[environments.<name>.sources.{service}] needs adapter = "..."'
            yield Problem(where=where, field=f"sources.{service}", message="names no adapter", hint=hint)
    for logical, physical in _items(table.get("resources")):
        if not isinstance(physical, str):
            hint = 'for example "sqs:orders" = "https://..."'
            yield Problem(where=where, field=f"resources.{logical}", message=f"{physical!r} is not text", hint=hint)


def _items(value: object) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []
