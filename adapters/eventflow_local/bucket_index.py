"""What is known of the objects of buckets, and the events that follow from changes of it.

A change of the index and its events are one transaction, so no crash can part them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.errors import ConfigurationError, InvalidMessageError, Problem
from eventflow.events.s3 import s3_wire_event
from eventflow.model.subscriptions import BucketNotification
from eventflow.policy.buckets import selects_change
from eventflow_local.notifications import enqueue, registered

if TYPE_CHECKING:
    import sqlite3

KEY_BYTES: Final = 1024
PUT: Final = "ObjectCreated:Put"
DELETE: Final = "ObjectRemoved:Delete"

_NAME: Final = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Look(NamedTuple):
    """An object at one moment: when both are the same as before, nobody has written to it."""

    size: int
    mtime_ns: int


def check_bucket_name(name: str) -> None:
    """Raises ConfigurationError if S3 would refuse the name."""
    if _NAME.fullmatch(name) is None:
        hint = "3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit"
        raise ConfigurationError([Problem(where=f"s3:{name}", message="is not a bucket name", hint=hint)])


def is_ignored(key: str) -> bool:
    """Whether a file is none of the bucket's objects: hidden, or by its name somebody's unfinished work."""
    parts = key.split("/")
    return any(part.startswith(".") for part in parts) or key.endswith(("~", ".part")) or not _is_text(key)


def check_key(resource: str, key: str | bytes | None) -> str:
    """The key, if it can be an object's and, here, a file's.

    Raises InvalidMessageError otherwise: S3 demands a key of 1 to 1024 bytes; a file's path must not leave its
    bucket, and the names that :func:`is_ignored` are not watched.
    """
    if not isinstance(key, str) or not key or not _is_text(key) or len(key.encode()) > KEY_BYTES:
        raise InvalidMessageError(resource, f"an object needs a key of 1 to {KEY_BYTES} bytes")
    if "\0" in key or not all(key.split("/")) or is_ignored(key):
        raise InvalidMessageError(
            resource,
            f"the key {key!r} cannot be a file's path here: parts must not be empty or begin with a dot, "
            "and the name must not end in ~ or .part",
        )
    return key


def _is_text(name: str) -> bool:
    """File names need not be; such cannot be written in an event."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketIndex:
    """The objects of one bucket: transactions over its rows. Changes return the subscriptions to notify."""

    name: str
    region: str
    account_id: str

    def look(self, connection: sqlite3.Connection, key: str) -> Look | None:
        """The object as it is known; ``None`` if there is none."""
        row = connection.execute(
            "SELECT size, mtime_ns FROM bucket_objects WHERE bucket = ? AND key = ?", (self.name, key)
        ).fetchone()
        return row and Look(*row)

    def looks(self, connection: sqlite3.Connection) -> dict[str, Look]:
        """Every object that is known."""
        rows = connection.execute("SELECT key, size, mtime_ns FROM bucket_objects WHERE bucket = ?", (self.name,))
        return {key: Look(size, mtime_ns) for key, size, mtime_ns in rows}

    def keys_below(self, connection: sqlite3.Connection, directory: str) -> list[str]:
        """The keys of known objects in a directory and those below."""
        rows = connection.execute(
            "SELECT key FROM bucket_objects WHERE bucket = ? AND key >= ? AND key < ?",
            (self.name, f"{directory}/", f"{directory}0"),  # 0 is the character after /
        )
        return [key for (key,) in rows]

    def body(self, connection: sqlite3.Connection, key: str) -> bytes | None:
        """The content of an object in memory."""
        row = connection.execute(
            "SELECT body FROM bucket_objects WHERE bucket = ? AND key = ?", (self.name, key)
        ).fetchone()
        body: bytes | None = row[0] if row else None
        return body

    def put(
        self, connection: sqlite3.Connection, key: str, look: Look, *, etag: str, body: bytes | None, now: float
    ) -> list[str]:
        """The object was written."""
        connection.execute(
            "INSERT INTO bucket_objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " size = excluded.size, mtime_ns = excluded.mtime_ns, etag = excluded.etag, body = excluded.body",
            (self.name, key, *look, etag, body),
        )
        return self._emit(connection, PUT, key, now=now, size=look.size, etag=etag)

    def remove(self, connection: sqlite3.Connection, key: str, *, now: float) -> list[str]:
        """The object is gone. No event if it was not known."""
        statement = "DELETE FROM bucket_objects WHERE bucket = ? AND key = ?"
        if connection.execute(statement, (self.name, key)).rowcount == 0:
            return []
        return self._emit(connection, DELETE, key, now=now)

    def _emit(
        self,
        connection: sqlite3.Connection,
        event_name: str,
        key: str,
        *,
        now: float,
        size: int | None = None,
        etag: str | None = None,
    ) -> list[str]:
        (sequencer,) = connection.execute(
            "INSERT INTO buckets VALUES (?, 1) ON CONFLICT DO UPDATE SET sequencer = sequencer + 1 RETURNING sequencer",
            (self.name,),
        ).fetchone()
        notified = []
        for each in registered(connection, BucketNotification, self.name):
            if not selects_change(each.subscription, event_name, key):
                continue
            event = s3_wire_event(
                bucket=self.name,
                key=key,
                event_name=event_name,
                event_time=now,
                size=size,
                etag=etag,
                sequencer=f"{sequencer:018X}",
                region=self.region,
                account_id=self.account_id,
                configuration_id=each.uuid,
            )
            enqueue(connection, each.id, json.dumps(event).encode(), now)
            notified.append(each.id)
        return notified
