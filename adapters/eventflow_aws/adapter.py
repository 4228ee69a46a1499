"""AWS behind the ports."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from eventflow.errors import AdapterError, ConfigurationError, ResourceNotFoundError
from eventflow.ports import TemplateKind
from eventflow_aws.advice import advised
from eventflow_aws.background import Background
from eventflow_aws.clients import Clients
from eventflow_aws.environment import Environment
from eventflow_aws.management.blueprint_checks import NO_EVENT_QUEUE, impossible, missing, missing_event_queue
from eventflow_aws.management.inspection_rules import RULES
from eventflow_aws.names import Names
from eventflow_aws.notifications.hubs import NotificationHubs
from eventflow_aws.options import AwsOptions
from eventflow_aws.services import QUEUES, SINKS, STREAMS
from eventflow_aws.session_checks import session_problems
from eventflow_aws.streams.lease_table import lease_table
from eventflow_aws.streams.read_limits import Pacers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from types import TracebackType
    from typing import TypeVar

    from eventflow.errors import Problem
    from eventflow.model.blueprint import Blueprint
    from eventflow.model.deployment import Deployment
    from eventflow.model.destinations import Destination, Service
    from eventflow.model.subscriptions import NotificationSubscription, QueueSubscription, StreamSubscription
    from eventflow.ports import (
        AdapterSettings,
        DestinationSink,
        EventQueueStore,
        Inspection,
        NotificationSource,
        Permissions,
        ProvisionStep,
        QueueSource,
        ResourceStatus,
        StreamSource,
        Template,
    )

    T = TypeVar("T")


class AwsAdapter:
    """An Adapter for AWS and for whatever speaks its API. Options: :class:`~eventflow_aws.options.AwsOptions`."""

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong, or AWS's own configuration on this machine."""
        self._settings = settings
        self._options = AwsOptions.parse(settings)
        if problems := list(session_problems(settings, self._options)):
            raise ConfigurationError(problems)
        self._stack = AsyncExitStack()
        self._environment: Environment | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: clients are made when they are used."""
        clients = await self._stack.enter_async_context(Clients(self._settings, self._options))
        names = Names(self._settings.resources)
        self._environment = Environment(
            settings=self._settings,
            options=self._options,
            names=names,
            clients=clients,
            background=await self._stack.enter_async_context(Background()),
            pacers=Pacers(),
            lease_table=lease_table(clients, names, self._options),
            hubs=NotificationHubs(),
            http_topics={},
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._environment = None
        await self._stack.aclose()

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource:
        opener = _known(QUEUES, subscription.service, subscription.name)
        with advised(self._opened):
            return await opener(self._opened, subscription)

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        opener = _known(STREAMS, subscription.service, subscription.name)
        with advised(self._opened):
            return await opener(self._opened, subscription)

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        from eventflow_aws.notifications.sources import open_notification_source

        with advised(self._opened):
            return await open_notification_source(self._opened, subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        opener = _known(SINKS, destination.service, destination.name)
        with advised(self._opened):
            return await opener(self._opened, destination.name)

    async def event_queue(self, name: str) -> EventQueueStore:
        """The SQS queue with this logical name as an event queue. Raises ConfigurationError if none is named."""
        from eventflow_aws.sqs.event_queue import open_event_queue

        if name == NO_EVENT_QUEUE:
            raise ConfigurationError([missing_event_queue(self._settings.environment)])
        with advised(self._opened):
            return await open_event_queue(self._opened, name)

    async def provision(self, blueprint: Blueprint, *, dry_run: bool) -> AsyncIterator[ProvisionStep]:
        """Make what the app names, and connect it. Raises ConfigurationError, AdapterError."""
        from eventflow_aws.management.provisioning import provision

        self._check(blueprint)
        with advised(self._opened):
            async for step in provision(self._opened, blueprint, dry_run=dry_run):
                yield step

    @property
    def inspection_rules(self) -> Collection[str]:
        return RULES

    async def inspect(self, blueprint: Blueprint) -> Sequence[Inspection]:
        """What is wrong with the resources that the app is bound to."""
        from eventflow_aws.management.inspection import inspect
        from eventflow_aws.management.simulation import denied_actions

        found = await inspect(self._opened, blueprint)
        if self._problems(blueprint):  # all of which were found
            return found
        return [*found, *await denied_actions(self._opened, self.permissions(blueprint).runtime)]

    def permissions(self, blueprint: Blueprint) -> Permissions:
        """The least that the app needs. Raises ConfigurationError if the environment lacks something, or binds a name
        to another service's ARN."""
        from eventflow_aws.arns import UNKNOWN_ACCOUNT, Arns
        from eventflow_aws.management.permissions import permissions

        env = self._opened
        self._check(blueprint)
        arns = Arns(
            env.names,
            partition=env.clients.partition,
            region=env.clients.region,
            account_id=None if self._settings.account_id == UNKNOWN_ACCOUNT else self._settings.account_id,
        )
        return permissions(blueprint, env.options, arns)

    def template(self, deployment: Deployment, kind: TemplateKind) -> Template:
        """A template of AWS SAM, or what AWS translates it to. Asks nobody: the environment need not be open."""
        from eventflow_aws.management.template.document import template
        from eventflow_aws.management.template.translation import translated

        found = template(deployment, Names(self._settings.resources))
        if kind is TemplateKind.SAM:
            return found
        return replace(found, document=translated(found.document, region=self._settings.region))

    async def resources(self) -> Sequence[ResourceStatus]:
        """Nothing: an account's resources are the account's. ``eventflow check`` looks at those of an app."""
        return ()

    def _check(self, blueprint: Blueprint) -> None:
        if problems := self._problems(blueprint):
            raise ConfigurationError(problems)

    def _problems(self, blueprint: Blueprint) -> list[Problem]:
        return [*missing(self._opened, blueprint), *impossible(self._opened, blueprint)]

    @property
    def _opened(self) -> Environment:
        if self._environment is None:
            raise AdapterError(self._settings.environment, "the environment is not open; use `async with` first")
        return self._environment


def _known(openers: Mapping[Service, T], service: Service, name: str) -> T:
    opener = openers.get(service)
    if opener is None:
        mend = f"give it an adapter of its own: [environments.<name>.sources.{service}]"
        raise ResourceNotFoundError(f"{service}:{name}", f"the aws adapter does not serve {service} here", mend=mend)
    return opener
