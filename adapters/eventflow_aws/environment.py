"""What the services of one open AWS environment share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventflow.ports import AdapterSettings, Clock
    from eventflow_aws.background import Background
    from eventflow_aws.clients import Clients
    from eventflow_aws.names import Names
    from eventflow_aws.notifications.http_topic import HttpTopic
    from eventflow_aws.notifications.hubs import NotificationHubs
    from eventflow_aws.options import AwsOptions
    from eventflow_aws.streams.lease_table import LeaseTable
    from eventflow_aws.streams.read_limits import Pacers


class Environment(NamedTuple):
    """Handed to every opener of :mod:`eventflow_aws.services`."""

    settings: AdapterSettings
    options: AwsOptions
    names: Names
    clients: Clients
    background: Background
    pacers: Pacers
    lease_table: LeaseTable
    hubs: NotificationHubs
    http_topics: dict[str, HttpTopic]

    @property
    def clock(self) -> Clock:
        return self.settings.clock
