"""Logical names bound to physical ones: what ``resources`` of an environment may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Mapping


ARN_FORMS: Final = {
    "sqs": ("sqs", ""),
    "sns": ("sns", ""),
    "s3": ("s3", ""),
    "eventbridge": ("events", "event-bus/"),
    "schedule": ("scheduler", "schedule/default/"),
    "kinesis": ("kinesis", "stream/"),
    "dynamodb": ("dynamodb", "table/"),
    "function": ("lambda", "function:"),
}
"""The service of an ARN, and what precedes the name in it, by the service of a logical name."""


class Arn(NamedTuple):
    """``arn:partition:service:region:account:resource``."""

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """``None`` if this is no ARN."""
        parts = text.split(":", 5)
        return cls(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" else None

    @property
    def name(self) -> str:
        """The resource without its kind: ``function:f`` and ``stream/s`` are ``f`` and ``s``."""
        return self.resource.rpartition("/" if "/" in self.resource else ":")[2]

    def __str__(self) -> str:
        return ":".join(("arn", *self))


class Names:
    """The physical names of one environment. What is not bound is called as in the code."""

    def __init__(self, resources: Mapping[str, str]) -> None:
        self._resources = resources

    def physical(self, resource: str) -> str:
        """A URL, an ARN or a name for a logical name such as ``sqs:orders``."""
        return self._resources.get(resource) or resource.partition(":")[2]

    def is_bound(self, resource: str) -> bool:
        """Whether the environment says what a logical name is."""
        return bool(self._resources.get(resource))

    def dead_letters(self, queue: str) -> str:
        """The resource of a queue's dead-letter queue: ``sqs:orders-prod-dead-letters`` if ``sqs:orders`` is bound to
        ``orders-prod``. Two environments of one account share none. It is FIFO if the queue is.

        Raises AdapterError if the queue is bound to another service's ARN.
        """
        name = self.plain(queue)
        suffix = ".fifo" if name.endswith(".fifo") else ""
        return f"sqs:{name.removesuffix('.fifo')}-dead-letters{suffix}"

    def plain(self, resource: str) -> str:
        """The physical name alone, whether it is bound by ARN, by URL or by name.

        Raises AdapterError if it is bound to another service's ARN.
        """
        physical = self.physical(resource)
        arn = Arn.parse(physical)
        if arn is None:
            return physical.rpartition("/")[2] if "://" in physical else physical
        service = resource.partition(":")[0]
        expected, _ = ARN_FORMS.get(service, (service, ""))
        if arn.service != expected:
            message = f"is bound to {physical}, which is of {arn.service}"
            raise AdapterError(resource, message, mend=f"bind it to a name or an ARN of {expected}")
        return arn.name
