"""What a refused read means for the reader of a shard."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from eventflow_aws.faults import error_code, translated
from eventflow_aws.streams.shard_reader import Behind, IteratorExpiredError, ReadThrottledError, RecordsTrimmedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow_aws.streams.shard_reader import Place

THROTTLED: Final = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReadProvisionedThroughputExceeded",
        "ResourceInUseException",  # somebody was subscribed to the shard less than five seconds ago
        "ThrottlingException",
    }
)


@contextmanager
def reading(resource: str, action: str, *, place: Place | None = None) -> Iterator[None]:
    """Turn what botocore raises inside the block into what ShardClient promises. See ``translated``.

    ``place`` is where reading was to start: of a record that is too old, or of another stream of the same name, the
    service says that the argument is not valid.
    """
    with translated(resource, action):
        try:
            yield
        except ClientError as exc:
            code = error_code(exc)
            message = f"{action}: {code}: {exc.response.get('Error', {}).get('Message', '')}"
            if code in THROTTLED:
                raise ReadThrottledError(resource, message) from exc
            if code == "ExpiredIteratorException":
                raise IteratorExpiredError(resource, message) from exc
            if code == "TrimmedDataAccessException" or (
                code == "InvalidArgumentException" and isinstance(place, Behind)
            ):
                raise RecordsTrimmedError(resource, message) from exc
            raise
