"""What went wrong at DocumentDB or MongoDB, said in eventflow's errors. Their texts quote neither URIs nor documents.

Source: MongoDB: error codes, and the change streams specification of its drivers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from bson.errors import BSONError
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.model.documentdb import CollectionAddress

NOT_ENABLED: Final = "modifychangestreams"
"""What DocumentDB says of a collection without a change stream, with a code that means something else elsewhere."""
NO_REPLICA_SET: Final = 40573
DRIVERS_LOCK: Final = "cannot wait on un-acquired lock"
"""What the driver says if its wait for a server ends in the moment in which others are told of one."""
EVENT_TOO_LARGE: Final = 10334
INVALID_TOKEN: Final = 260
UNKNOWN_FIELD: Final = frozenset({9, 72, 40415})
DENIED: Final = frozenset({11, 13, 18, 31, 33, 334, 8000})
"""No such user, not allowed, wrong password ... and Atlas's word for all of them."""
HISTORY_LOST: Final = frozenset({136, 280, 286, 40576, 40585, 40615})
PASSING: Final = frozenset(
    {6, 7, 24, 43, 46, 50, 63, 64, 89, 91, 112, 133, 150, 175, 189, 202, 216, 234, 237, 246, 262, 290, 358, 365}
    | {384, 9001, 10058, 10107, 11600, 11602, 13388, 13435, 13436}
)
"""Elections, shutdowns, lost cursors, time limits: trying again is right."""
CERTIFICATE: Final = "certificate verify failed"


class ChangesNotEnabledError(ResourceNotFoundError):
    """DocumentDB keeps no changes of a collection until it is told to."""


class NoReplicaSetError(ResourceNotFoundError):
    """A MongoDB server on its own keeps no changes."""


class HistoryLostError(AdapterError):
    """The cluster no longer has what follows the position to go on at, or does not know that position."""


class InvalidTokenError(HistoryLostError):
    """The position is none to resume at: that of an invalidation, or another cluster's."""


class EventTooLargeError(AdapterError):
    """A change is larger than a document may be, so the cluster cannot send it."""


class UnknownOptionError(AdapterError):
    """The cluster does not know an option of change streams."""


@contextmanager
def translated(resource: str, doing: str, address: CollectionAddress | None = None) -> Iterator[None]:
    """Turn what the driver raises inside the block into AdapterErrors about ``resource``; ``doing`` is what was
    tried, ``address`` the collection or database that was to be watched."""
    try:
        yield
    except (PyMongoError, BSONError, OSError, TimeoutError) as exc:
        raise fault(resource, doing, exc, address) from exc
    except RuntimeError as exc:
        if str(exc) != DRIVERS_LOCK:
            raise
        raise UnavailableError(resource, f"{doing}: no server to ask") from exc


def fault(resource: str, doing: str, exc: BaseException, address: CollectionAddress | None = None) -> AdapterError:
    """The AdapterError that an error of the driver means."""
    if isinstance(exc, WriteConcernError):
        return UnavailableError(resource, f"{doing}: a majority of the members did not confirm it in time")
    if isinstance(exc, OperationFailure):
        return _refused(resource, doing, exc, address)
    text = _sentence(exc)
    if CERTIFICATE in text:
        mend = "is it the right address? if so, name the authority that signed it in `ca_file`"
        return AccessDeniedError(resource, f"{doing}: the server's certificate is not trusted", mend=mend)
    if isinstance(exc, ConfigurationError):
        return AdapterError(resource, f"{doing}: {text}", mend="is the server too old, or an extra of pymongo missing?")
    if isinstance(exc, ServerSelectionTimeoutError):
        return UnavailableError(resource, f"{doing}: no server to ask ({text})")
    if isinstance(exc, ConnectionFailure | OSError | TimeoutError):
        return UnavailableError(resource, f"{doing}: {text or 'no answer in time'}")
    return AdapterError(resource, f"{doing}: {text}")


def _refused(resource: str, doing: str, exc: OperationFailure, address: CollectionAddress | None) -> AdapterError:
    code, text = exc.code, _said(exc)
    if NOT_ENABLED in text.lower():
        message = f"{doing}: change streams are not enabled ({text})"
        return ChangesNotEnabledError(resource, message, mend=None if address is None else enabling(address))
    if code == NO_REPLICA_SET:
        mend = "start the servers with --replSet and run rs.initiate(), one server is enough"
        return NoReplicaSetError(resource, f"{doing}: change streams take a replica set ({text})", mend=mend)
    if code in DENIED:
        actions = "`find`, `insert` and `update`" if address is None else "`find` and `changeStream`"
        mend = f"allow {actions} there to this user, or check user and password"
        return AccessDeniedError(resource, f"{doing} is denied ({text})", mend=mend)
    if code == EVENT_TOO_LARGE:
        return EventTooLargeError(resource, f"{doing}: a change is too large to be sent ({text})")
    if code == INVALID_TOKEN:
        return InvalidTokenError(resource, f"{doing}: the position is not one to go on at ({text})")
    if code in HISTORY_LOST or "resume token" in text.lower():
        return HistoryLostError(resource, f"{doing}: what follows the position is not there any more ({text})")
    if code in UNKNOWN_FIELD:
        return UnknownOptionError(resource, f"{doing}: {text}")
    if code in PASSING or _labels(exc):
        return UnavailableError(resource, f"{doing}: {text}")
    return AdapterError(resource, f"{doing}: {text}")


def enabling(address: CollectionAddress) -> str:
    """How to enable a change stream in DocumentDB. Source: DocumentDB guide: change_streams."""
    names = f'database: "{address.database}", collection: "{address.collection or ""}"'
    return f"run db.adminCommand({{modifyChangeStreams: 1, {names}, enable: true}}) on the cluster"


def _labels(exc: OperationFailure) -> bool:
    return exc.has_error_label("ResumableChangeStreamError") or exc.has_error_label("RetryableWriteError")


def _said(exc: OperationFailure) -> str:
    """The server's own sentence, without what may quote commands and documents."""
    details: Mapping[str, Any] = exc.details or {}
    said = str(details.get("errmsg") or details.get("$err") or "no reason given")
    return said.strip().partition("\n")[0].partition(" to execute command")[0].rstrip(".")


def _sentence(exc: BaseException) -> str:
    return (
        str(exc)
        .strip()
        .partition("\n")[0]
        .partition(", Timeout:")[0]
        .partition(" (configured timeouts:")[0]
        .rstrip(".")
    )
