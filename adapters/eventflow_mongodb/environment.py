"""What the parts of one open environment share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from eventflow.model.documentdb import CollectionAddress

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient

    from eventflow.ports import AdapterSettings, Clock
    from eventflow_mongodb.lease_table import LeaseTable
    from eventflow_mongodb.options import MongodbOptions


class Environment(NamedTuple):
    """Handed to what opens or inspects a source."""

    settings: AdapterSettings
    options: MongodbOptions
    client: AsyncMongoClient[dict[str, Any]]
    leases: LeaseTable

    @property
    def clock(self) -> Clock:
        return self.settings.clock

    @property
    def region(self) -> str:
        """The region of the cluster's ARN, else the environment's."""
        return self.options.cluster_arn.split(":")[3] if self.options.cluster_arn else self.settings.region

    @property
    def arn(self) -> str:
        """What events name as their source: the cluster's ARN, or its hosts."""
        return self.options.cluster_arn or self.options.address.text

    def collection(self, name: str) -> CollectionAddress:
        """The collection or database that a logical name is bound to; the name itself without a binding."""
        return CollectionAddress.parse(self.settings.resources.get(f"documentdb:{name}") or name)
