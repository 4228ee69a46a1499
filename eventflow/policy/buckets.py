"""Which changes of a bucket reach a subscription. Source: S3 guide: event notification types, filtering by key name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventflow.model.subscriptions import BucketNotification


def selects_change(wanted: BucketNotification, event_name: str, key: str) -> bool:
    """Whether a subscription wants to hear of a change. ``event_name`` may begin with ``s3:``; ``key`` is plain."""
    return (
        key.startswith(wanted.prefix)
        and key.endswith(wanted.suffix)
        and any(_names(event.removeprefix("s3:"), event_name.removeprefix("s3:")) for event in wanted.events)
    )


def _names(wanted: str, event_name: str) -> bool:
    """Whether ``ObjectCreated:*`` or ``ObjectCreated:Put`` names the event."""
    return event_name.startswith(wanted[:-1]) if wanted.endswith("*") else event_name == wanted
