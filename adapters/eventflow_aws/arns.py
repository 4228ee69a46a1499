"""The ARNs of an app's resources, worked out without asking anybody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.errors import ResourceNotFoundError
from eventflow_aws.names import ARN_FORMS, Arn

if TYPE_CHECKING:
    from eventflow_aws.names import Names

UNKNOWN_ACCOUNT: Final = "000000000000"
"""What an environment that names no account has."""

_QUEUE_URL: Final = re.compile(
    r"https?://(?:sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?|[^/]+)/(?P<account>\d{12})/(?P<name>[^/]+)"
)


def queue_arn(url: str) -> Arn | None:
    """The ARN of a queue by its URL, ``None`` if that is none. It may have no region."""
    found = _QUEUE_URL.fullmatch(url)
    return None if found is None else Arn("aws", "sqs", found["region"] or "", found["account"], found["name"])


class KnownArn(NamedTuple):
    """An ARN, and why a part of it is ``*`` if one is."""

    arn: str
    wildcard: str | None = None


class Arns:
    """ARNs from bound ARNs and URLs, else from a region and an account; without an account they have a wildcard."""

    def __init__(self, names: Names, *, partition: str, region: str, account_id: str | None) -> None:
        self.names = names
        self._partition = partition
        self._region = region
        self.account_id = account_id

    def of(self, resource: str) -> KnownArn:
        """The ARN of a logical resource (``sqs:orders``).

        Raises ResourceNotFoundError if it is of no service of AWS's, AdapterError if it is bound to another one's ARN.
        """
        physical = self.names.physical(resource)
        if Arn.parse(physical) is not None:
            self.names.plain(resource)  # is it of this service?
            return KnownArn(physical)
        kind = resource.partition(":")[0]
        if kind not in ARN_FORMS:
            raise ResourceNotFoundError(resource, f"the aws adapter does not serve {kind}")
        service, prefix = ARN_FORMS[kind]
        if service == "s3":
            return KnownArn(f"arn:{self._partition}:s3:::{physical}")
        queue = queue_arn(physical)
        if queue is not None:
            return KnownArn(str(queue._replace(partition=self._partition, region=queue.region or self._region)))
        return self.made(service, prefix + self.names.plain(resource))

    def made(self, service: str, name: str) -> KnownArn:
        """An ARN in the environment's own account."""
        if self.account_id is not None:
            return KnownArn(f"arn:{self._partition}:{service}:{self._region}:{self.account_id}:{name}")
        arn = f"arn:{self._partition}:{service}:{self._region}:*:{name}"
        return KnownArn(arn, "the account is not known: set account_id in the environment, or bind the name to an ARN")
