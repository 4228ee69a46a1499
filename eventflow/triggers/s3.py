"""``@on_s3``. Source: S3 guide: EventNotifications; Lambda guide: with-s3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import BucketNotification
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

_BUCKET_NAME = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_EVENT_FAMILIES = {
    "ObjectCreated": ("*", "Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("*", "Delete", "DeleteMarkerCreated"),
    "ObjectRestore": ("*", "Post", "Completed", "Delete"),
    "Replication": (
        "*",
        "OperationFailedReplication",
        "OperationNotTracked",
        "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
    ),
    "LifecycleExpiration": ("*", "Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("*", "Put", "Delete"),
    "ObjectAcl": ("Put",),
}
_EVENT_NAMES = frozenset(
    [f"s3:{family}:{kind}" for family, kinds in _EVENT_FAMILIES.items() for kind in kinds]
    + ["s3:ReducedRedundancyLostObject", "s3:LifecycleTransition", "s3:IntelligentTiering"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Trigger(Trigger):
    """Changes of one bucket, delivered to one function."""

    service: ClassVar[Service] = Service.S3
    invocation_model: ClassVar[InvocationModel] = InvocationModel.ASYNCHRONOUS

    bucket: str
    events: tuple[str, ...]
    prefix: str
    suffix: str

    @property
    def name(self) -> str:
        return self.bucket

    @property
    def decorator(self) -> str:
        return f'@on_s3("{self.bucket}")'

    def subscription(self, subscriber: str) -> BucketNotification:
        return BucketNotification(
            name=self.bucket,
            subscriber=subscriber,
            events=self.events,
            prefix=self.prefix,
            suffix=self.suffix,
        )

    def invoker(self, resource: str) -> Invoker:
        return Invoker("s3.amazonaws.com", "s3", resource, regional=False, says_account=True)

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        from eventflow.events.s3 import S3  # only needed inside Lambda
        from eventflow.policy.buckets import selects_change

        bucket, event_name, key = S3.change(event)
        return self.is_called(bucket, bound_to) and selects_change(self.subscription(""), event_name, key)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        hint = "3 to 63 lower-case letters, digits, - and ., beginning and ending with a letter or digit"
        yield from check.matches("bucket", self.bucket, _BUCKET_NAME, hint)
        if not self.events:
            yield check.problem("events", "is empty", 'for example "s3:ObjectCreated:*"')
        for name in self.events:
            if name not in _EVENT_NAMES:
                yield check.problem("events", f"{name!r} is not an S3 event", 'for example "s3:ObjectCreated:*"')
        if len((self.prefix + self.suffix).encode()) > 1024:
            yield check.problem("prefix", "and suffix are longer than 1,024 bytes together")


def on_s3(
    bucket: str,
    *,
    events: str | Sequence[str] = "s3:ObjectCreated:*",
    prefix: str = "",
    suffix: str = "",
) -> Callable[[F], F]:
    """Invoke the function asynchronously for changes of ``bucket``.

    ``events``: one or several of S3's event names. ``prefix`` and ``suffix`` restrict the object key.
    The handler may take :class:`~eventflow.events.S3Event`, or nothing annotated, for the raw event.
    """
    names = (events,) if isinstance(events, str) else tuple(events)
    return mark_with_trigger(S3Trigger(bucket=bucket, events=names, prefix=prefix, suffix=suffix))
