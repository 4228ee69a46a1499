"""What the services of one open AWS environment share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventflow.ports import AdapterSettings, Clock
    from eventflow_aws.clients import Clients
    from eventflow_aws.names import Names
    from eventflow_aws.options import AwsOptions


class Environment(NamedTuple):
    """Handed to every opener of :mod:`eventflow_aws.services`."""

    settings: AdapterSettings
    options: AwsOptions
    names: Names
    clients: Clients

    @property
    def clock(self) -> Clock:
        return self.settings.clock
