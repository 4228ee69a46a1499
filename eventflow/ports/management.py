"""What an adapter may offer beside sources and sinks: making, checking and permitting the resources of an app.

An adapter that offers one of these implements its protocol next to :class:`~eventflow.ports.Adapter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from eventflow.model.blueprint import Blueprint
    from eventflow.model.deployment import Deployment


class ProvisionAction(StrEnum):
    """What provisioning did, or would do, to one resource."""

    EXISTS = "exists"
    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionStep:
    """One line of ``eventflow provision``: a logical resource (``sqs:orders``), and what was done to which physical
    one."""

    resource: str
    action: ProvisionAction
    detail: str


@runtime_checkable
class Provisioner(Protocol):
    """Makes what an app names."""

    def provision(self, blueprint: Blueprint, *, dry_run: bool) -> AsyncIterator[ProvisionStep]:
        """Yield a step after each thing looked at, made or changed; with ``dry_run`` nothing is made or changed.

        Idempotent: a second run yields ``EXISTS`` only. What others made is never removed or replaced.
        Raises AdapterError naming the resource.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Something about a bound resource that will not work, or probably not as meant: a rule's id, the logical
    resource, what is wrong, and what would mend it."""

    rule: str
    resource: str
    message: str
    mend: str


@runtime_checkable
class Inspector(Protocol):
    """Looks at the resources that an app is bound to."""

    @property
    def inspection_rules(self) -> Collection[str]:
        """The ids of all its rules."""

    async def inspect(self, blueprint: Blueprint) -> Sequence[Inspection]:
        """Everything found; a resource that cannot be reached is a finding too. Changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of an IAM policy. ``wildcard`` says why a resource is, or contains, ``*`` where it does."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str]] | None = None
    wildcard: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the identity that runs the app has to be allowed, and what the one that provisions it."""

    runtime: tuple[Statement, ...]
    provisioning: tuple[Statement, ...]


@runtime_checkable
class PermissionSource(Protocol):
    """Knows what a service has to allow."""

    def permissions(self, blueprint: Blueprint) -> Permissions:
        """The least that the app of ``blueprint`` needs. Asks no service."""


class TemplateKind(StrEnum):
    """In which of AWS's two languages a template is."""

    SAM = "sam"
    CLOUDFORMATION = "cloudformation"


class Remark(NamedTuple):
    """Something that a template does not say as the app does: where it is declared, and what becomes of it."""

    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template as JSON values, and every option that it cannot express or that widens it."""

    document: Mapping[str, Any]
    remarks: tuple[Remark, ...]


@runtime_checkable
class TemplateSource(Protocol):
    """Writes an app down as a template that deploys it into the service's own functions."""

    def template(self, deployment: Deployment, kind: TemplateKind) -> Template:
        """The template, the same for the same deployment. Asks no service.

        Raises AdapterError if a name is bound to another service, ConfigurationError if a library is not installed.
        """
