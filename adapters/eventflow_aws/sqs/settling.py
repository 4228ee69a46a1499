"""Deleting messages and changing when they are visible again, ten in a request.

Source: SQS API: DeleteMessageBatch, ChangeMessageVisibilityBatch.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from botocore.exceptions import ClientError

from eventflow.errors import AdapterError, InvalidMessageError, UnavailableError
from eventflow_aws.coalescing import Coalescer
from eventflow_aws.faults import error_code, fault, translated

if TYPE_CHECKING:
    from types_aiobotocore_sqs.type_defs import BatchResultErrorEntryTypeDef

    from eventflow_aws.sqs.queues import Queue

MAXIMUM_ENTRIES: Final = 10
MAXIMUM_HIDDEN_SECONDS: Final = 43_200
"""From when a message is received. Source: SQS guide: visibility timeout."""
REQUEST_SECONDS: Final = 15.0
PAUSES_SECONDS: Final = (0.1, 0.4)
"""Before an entry that failed on SQS's side is tried again."""
DELETE: Final = "sqs:DeleteMessage"
HIDE: Final = "sqs:ChangeMessageVisibility"

NOT_OURS: Final = frozenset(
    {
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)
"""What is said of a receipt that is unknown, expired or used up, and of a message that was hidden for 12 hours: from
then on SQS gives it to others, whatever we do."""

T = TypeVar("T")
Request: TypeAlias = Callable[[Sequence[tuple[str, T]]], Awaitable[Sequence["BatchResultErrorEntryTypeDef"]]]
"""Sends numbered entries; returns those that failed."""


class Hiding(NamedTuple):
    """A message that is to be visible again in so many seconds."""

    receipt: str
    seconds: int


class Settling:
    """Settles the messages of one queue. Both operations ignore what is not ours any more."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        # Sizes do not matter: ten receipts are far from what a request may have.
        self._deletes: Coalescer[str, bool] = Coalescer(
            queue.resource, self._delete_batch, maximum_count=MAXIMUM_ENTRIES, maximum_bytes=MAXIMUM_ENTRIES
        )
        self._hides: Coalescer[Hiding, bool] = Coalescer(
            queue.resource, self._hide_batch, maximum_count=MAXIMUM_ENTRIES, maximum_bytes=MAXIMUM_ENTRIES
        )

    async def delete(self, receipts: Sequence[str]) -> None:
        """Raises UnavailableError, AccessDeniedError, ResourceNotFoundError."""
        await _submitted(self._deletes, receipts)

    async def hide(self, receipts: Sequence[str], seconds: float) -> list[str]:
        """Returns the receipts that are not ours any more. Raises as ``delete`` does."""
        hidden_seconds = min(max(math.ceil(seconds), 0), MAXIMUM_HIDDEN_SECONDS)
        done = await _submitted(self._hides, [Hiding(receipt, hidden_seconds) for receipt in receipts])
        return [receipt for receipt, ours in zip(receipts, done, strict=True) if not ours]

    async def aclose(self) -> None:
        """Return when all that was asked for is done."""
        await self._deletes.aclose()
        await self._hides.aclose()

    async def _delete_batch(self, receipts: Sequence[str]) -> Sequence[bool | AdapterError]:
        async def request(batch: Sequence[tuple[str, str]]) -> Sequence[BatchResultErrorEntryTypeDef]:
            answer = await self._queue.client.delete_message_batch(
                QueueUrl=self._queue.url,
                Entries=[{"Id": number, "ReceiptHandle": receipt} for number, receipt in batch],
            )
            return answer.get("Failed") or ()

        return await self._settled(DELETE, receipts, request)

    async def _hide_batch(self, hidings: Sequence[Hiding]) -> Sequence[bool | AdapterError]:
        async def request(batch: Sequence[tuple[str, Hiding]]) -> Sequence[BatchResultErrorEntryTypeDef]:
            answer = await self._queue.client.change_message_visibility_batch(
                QueueUrl=self._queue.url,
                Entries=[
                    {"Id": number, "ReceiptHandle": hiding.receipt, "VisibilityTimeout": hiding.seconds}
                    for number, hiding in batch
                ],
            )
            return answer.get("Failed") or ()

        return await self._settled(HIDE, hidings, request)

    async def _settled(self, action: str, entries: Sequence[T], request: Request[T]) -> Sequence[bool | AdapterError]:
        """For each entry whether it was ours, or why nobody knows. What fails on SQS's side is tried again."""
        results: list[bool | AdapterError] = [True] * len(entries)
        left = [(str(index), entry) for index, entry in enumerate(entries)]
        for pause_seconds in (*PAUSES_SECONDS, None):
            failed = {one["Id"]: one for one in await self._failed(action, request(left))}
            for number, _ in left:
                results[int(number)] = self._result(action, failed[number]) if number in failed else True
            left = [(number, entry) for number, entry in left if number in failed and _may_pass(failed[number])]
            if not left or pause_seconds is None:
                break
            await asyncio.sleep(pause_seconds)
        return results

    async def _failed(
        self, action: str, requesting: Awaitable[Sequence[BatchResultErrorEntryTypeDef]]
    ) -> Sequence[BatchResultErrorEntryTypeDef]:
        """Raises InvalidMessageError if one entry spoils the request for all: then each is tried alone."""
        try:
            with translated(self._queue.resource, action):
                async with asyncio.timeout(REQUEST_SECONDS):
                    return await requesting
        except UnavailableError as exc:
            cause = exc.__cause__
            if isinstance(cause, ClientError) and error_code(cause) in NOT_OURS:
                raise InvalidMessageError(self._queue.resource, str(cause)) from cause
            raise

    def _result(self, action: str, failed: BatchResultErrorEntryTypeDef) -> bool | AdapterError:
        if failed["Code"] in NOT_OURS:
            return False
        return fault(self._queue.resource, action, failed["Code"], failed.get("Message", ""))


def _may_pass(failed: BatchResultErrorEntryTypeDef) -> bool:
    return not failed["SenderFault"] and failed["Code"] not in NOT_OURS


async def _submitted(coalescer: Coalescer[T, bool], entries: Sequence[T]) -> list[bool]:
    """Whether each entry was ours. Raises the first error, when all are done."""
    if not entries:
        return []
    answers = await coalescer.submit_many([(entry, 0) for entry in entries])
    done: list[bool] = []
    for answer in answers:
        if isinstance(answer, InvalidMessageError):
            done.append(False)
        elif isinstance(answer, Exception):
            raise answer
        else:
            done.append(answer)
    return done
