"""Environments: which adapter serves which source, and under what physical names.

Read from ``eventflow.toml``, or from ``[tool.eventflow]`` in ``pyproject.toml``. An environment variable
``EVENTFLOW_<KEY>`` overrides a key of the environment's table. With no file at all, ``local`` exists.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.errors import ConfigurationError, Problem
from eventflow.model import limits
from eventflow.model.cors import Cors
from eventflow.model.destinations import AUTHORIZER_SERVICES, HTTP_SERVICES, Service
from eventflow.model.known_options import ENVIRONMENT_KEYS
from eventflow.model.partitions import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from eventflow.model.edge import Distribution
    from eventflow.model.permissions import AccessKey, Permission

DEFAULT_ENVIRONMENT: Final = "local"
DEFAULT_ADAPTER: Final = "local"
DEFAULT_EVENT_QUEUE: Final = "default"
REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""Where AWS's own tools look for a region, in this order."""
UNKNOWN_ACCOUNT: Final = "000000000000"
KEY_VARIABLE: Final = "EVENTFLOW_ACCESS_KEY_ID"
"""Makes an access key without a table."""
_NO_OPTIONS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBinding:
    """Which adapter serves one service, and the options it gets for it."""

    adapter: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQueueBinding:
    """Where asynchronous events wait: ``name`` in the adapter that serves ``service``, or in ``adapter``, or, with
    neither, in the environment's own adapter."""

    name: str = DEFAULT_EVENT_QUEUE
    service: str | None = None
    adapter: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold secrets

    @classmethod
    def parse(cls, value: str | Mapping[str, Any]) -> EventQueueBinding:
        """From ``"name"``, ``"sqs:name"``, ``"postgresql:name"``, or a table of ``adapter``, ``name`` and options."""
        if not isinstance(value, str):
            options = {key: item for key, item in value.items() if key not in ("adapter", "name")}
            return cls(name=value.get("name", DEFAULT_EVENT_QUEUE), adapter=value["adapter"], options=options)
        scheme, colon, name = value.partition(":")
        if not colon:
            return cls(name=value)
        return cls(name=name, service=scheme) if scheme in _BOUND else cls(name=name, adapter=scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment, complete.

    ``options`` is what the default adapter gets; ``sources`` overrides it per service. ``resources`` binds
    logical names (``sqs:orders``) to physical ones. ``event_queue`` says where asynchronous events wait.
    ``cors`` is the HTTP API's. ``docs`` says whether ``serve`` shows what it answers. ``region_is_default`` says that
    neither the file nor a variable stated ``region``. Custom resources are answered at
    ``custom_resource_response_hosts`` (``localhost:8080``), too, which is for tests.
    ``distributions`` are those of CloudFront that have an origin here.
    ``callers`` are who may sign requests to invoke functions, and ``permissions`` are statements of the functions'
    resource policies.
    """

    name: str = DEFAULT_ENVIRONMENT
    adapter: str = DEFAULT_ADAPTER
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold secrets
    sources: Mapping[str, SourceBinding] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    event_queue: EventQueueBinding = field(default_factory=EventQueueBinding)
    concurrency: int = limits.DEFAULT_CONCURRENCY
    region: str = "us-east-1"
    region_is_default: bool = True
    cors: Cors | None = None
    docs: bool = False
    account_id: str = UNKNOWN_ACCOUNT
    custom_resource_response_hosts: Sequence[str] = ()
    callers: Sequence[AccessKey] = ()
    permissions: Sequence[Permission] = ()
    distributions: Mapping[str, Distribution] = field(default_factory=dict)

    def binding(self, service: str) -> SourceBinding:
        """The adapter and options for a service."""
        return self.sources.get(service) or SourceBinding(adapter=self.adapter, options=self.options)

    def event_queue_binding(self) -> SourceBinding:
        """The adapter and options for the event queue."""
        queue = self.event_queue
        if queue.adapter is not None:
            return SourceBinding(adapter=queue.adapter, options=queue.options)
        return self.binding(queue.service or "")

    @property
    def has_account(self) -> bool:
        """Whether it says whose it is."""
        return self.account_id != UNKNOWN_ACCOUNT

    @property
    def partition(self) -> str:
        """What ARNs of the region begin with, after ``arn:``."""
        return partition_of(self.region)

    def function_arn(self, function_name: str) -> str:
        """The unqualified ARN of a function."""
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{function_name}"


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
    region = next((variables[key] for key in REGION_VARIABLES if variables.get(key)), None)
    stated = {"region": region} if region else {}
    environment = _environment(name, {**stated, **table, **overrides}, where, overrides)
    key_id = variables.get(KEY_VARIABLE)
    return _with_key_of_variables(environment, key_id) if key_id else environment


def _with_key_of_variables(environment: Environment, key_id: str) -> Environment:
    from eventflow.plan import access  # few environments say who may call

    known = {caller.id for caller in environment.callers}
    if problems := list(access.variable_problems(key_id, f"environment variable {KEY_VARIABLE}", known=known)):
        raise ConfigurationError(problems)
    root = f"arn:{environment.partition}:iam::{environment.account_id}:root"
    key = access.key_of_variables(key_id, root)
    return replace(environment, callers=(*environment.callers, key))


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
    "concurrency": (int, "a whole number of concurrent invocations"),
    "region": (str, "a region, e.g. eu-west-1"),
    "account_id": (str, "a 12-digit account id in quotes"),
    "custom_resource_response_hosts": (list, 'a list of hosts, e.g. ["localhost:8080"]'),
    "sources": (dict, "a table [environments.<name>.sources.<service>]"),
    "resources": (dict, "a table of logical to physical names"),
    "cors": (dict, "a table with allow_origins and the like"),
    "cloudfront": (dict, "a table [environments.<name>.cloudfront.<distribution>]"),
    "docs": (bool, "true or false"),
}

_ACCESS: Final = frozenset({"access_keys", "permissions"})

_CALLERS: Final = (
    *HTTP_SERVICES,
    *AUTHORIZER_SERVICES,
    Service.WEBSOCKET,
    Service.COGNITO,
    Service.CLOUDFORMATION,
    Service.ALEXA,
    Service.LEX,
    Service.CLOUDFRONT,
)
_BOUND: Final = tuple(service.value for service in Service if service not in (Service.FUNCTION, *_CALLERS))
"""The services that adapters serve."""
_NAMED: Final = tuple(service.value for service in Service if service not in (*HTTP_SERVICES, *AUTHORIZER_SERVICES))
"""Those whose resources have names."""


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
    known = {key: table[key] for key in _TYPES if key in table and key not in ("sources", "cors", "cloudfront")}
    options = {key: value for key, value in table.items() if key not in ENVIRONMENT_KEYS}
    adapter = table.get("adapter", DEFAULT_ADAPTER)
    sources = {
        service: _source_binding(source, options if source["adapter"] == adapter else _NO_OPTIONS)
        for service, source in table.get("sources", {}).items()
    }
    if "cors" in table:
        known["cors"] = Cors.parse(table["cors"])
    if "cloudfront" in table:
        from eventflow.plan.distributions import distribution  # few environments have one

        known["distributions"] = {key: distribution(key, own) for key, own in table["cloudfront"].items()}
    if "event_queue" in table:
        known["event_queue"] = EventQueueBinding.parse(table["event_queue"])
    if table.keys() & _ACCESS:
        from eventflow.plan import access

        known["callers"] = access.access_keys(table.get("access_keys", {}))
        known["permissions"] = access.permissions(table.get("permissions", []))
    return Environment(name=name, options=options, sources=sources, region_is_default="region" not in table, **known)


def _source_binding(source: Mapping[str, Any], inherited: Mapping[str, Any]) -> SourceBinding:
    """A source of the environment's own adapter has its options too, unless it says otherwise."""
    own = {key: value for key, value in source.items() if key != "adapter"}
    return SourceBinding(adapter=source["adapter"], options={**inherited, **own})


def _type_problems(table: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for key, (kind, hint) in _TYPES.items():
        value = table.get(key)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            yield Problem(where=where, field=key, message=f"{value!r} is not allowed", hint=hint)
    if isinstance(table.get("concurrency"), int) and table["concurrency"] < 1:
        value = table["concurrency"]
        yield Problem(where=where, field="concurrency", message=f"{value!r} is not allowed", hint="at least 1")
    queue = table.get("event_queue")
    if queue is not None and not isinstance(queue, str) and not _is_event_queue_table(queue):
        hint = 'a store, e.g. "sqs:shop-events", or a table with adapter = "..." and that adapter\'s options'
        message = "the table names no adapter" if isinstance(queue, dict) else f"{queue!r} is not allowed"
        yield Problem(where=where, field="event_queue", message=message, hint=hint)
    if isinstance(table.get("cors"), dict):
        try:
            Cors.parse(table["cors"])
        except ValueError as exc:
            yield Problem(where=where, field="cors", message=str(exc))
    if table.keys() & _ACCESS:
        from eventflow.plan import access

        yield from access.key_problems(table.get("access_keys", {}), where)
        yield from access.permission_problems(table.get("permissions", []), where)
    for service, source in _items(table.get("sources")):
        if service not in _BOUND:
            hint = f"known: {', '.join(_BOUND)}"
            yield Problem(where=where, field=f"sources.{service}", message="is not a service", hint=hint)
        elif not isinstance(source, dict) or not isinstance(source.get("adapter"), str):
            hint = f'[environments.<name>.sources.{service}] needs adapter = "..."'
            yield Problem(where=where, field=f"sources.{service}", message="names no adapter", hint=hint)
    for logical, physical in _items(table.get("resources")):
        service, _, name = logical.partition(":")
        if service not in _NAMED or not name:
            hint = f"service:name, like sqs:orders; services: {', '.join(_NAMED)}"
            yield Problem(where=where, field=f"resources.{logical}", message="names no resource", hint=hint)
        if not isinstance(physical, str):
            hint = 'for example "sqs:orders" = "https://..."'
            yield Problem(where=where, field=f"resources.{logical}", message=f"{physical!r} is not text", hint=hint)
    if isinstance(table.get("cloudfront"), dict):
        from eventflow.plan.distributions import distribution_problems  # few environments have one

        yield from distribution_problems(table["cloudfront"], where)


def _is_event_queue_table(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("adapter"), str) and isinstance(value.get("name", ""), str)


def _items(value: object) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []
