"""SQS as a script: a client that answers what a test says, when it says so."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from eventflow_aws.names import Arn
from eventflow_aws.sqs.queues import Queue

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient


class ScriptedSqs:
    """``requests`` are the polls that wait, ``entries`` the batches that came. A batch is answered by the next of
    ``answers``, a function of its entries; without one, all of it succeeds."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, int]] = []
        self.entries: list[list[dict[str, Any]]] = []
        self.answers: deque[Any] = deque()
        self.fails: deque[Exception] = deque()
        self.arguments: list[dict[str, Any]] = []
        self._polls: deque[asyncio.Future[list[str]]] = deque()
        self._received = 0

    async def receive_message(self, **arguments: Any) -> dict[str, Any]:
        self.arguments.append(arguments)
        self.requests.append((arguments["MaxNumberOfMessages"], arguments["WaitTimeSeconds"]))
        if self.fails:
            raise self.fails.popleft()
        arriving: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._polls.append(arriving)
        try:
            async with asyncio.timeout(arguments["WaitTimeSeconds"]):
                bodies = await arriving
        except TimeoutError:
            return {}
        finally:
            if arriving in self._polls:
                self._polls.remove(arriving)
        return {"Messages": [self._message(body) for body in bodies]}

    async def delete_message_batch(self, **arguments: Any) -> dict[str, Any]:
        return await self._batch(arguments["Entries"])

    async def change_message_visibility_batch(self, **arguments: Any) -> dict[str, Any]:
        return await self._batch(arguments["Entries"])

    async def send_message_batch(self, **arguments: Any) -> dict[str, Any]:
        return await self._batch(arguments["Entries"])

    def arrive(self, *bodies: str) -> None:
        """The poll that waits for longest gets messages."""
        self._polls.popleft().set_result(list(bodies))

    async def _batch(self, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
        self.entries.append(list(entries))
        await asyncio.sleep(0)
        if not self.answers:
            return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}
        answer = self.answers.popleft()(entries)
        if isinstance(answer, Exception):
            raise answer
        return {"Failed": answer}

    def _message(self, body: str) -> dict[str, Any]:
        self._received += 1
        return {"MessageId": body, "ReceiptHandle": f"{body}-{self._received}", "Body": body}


def scripted_queue(sqs: ScriptedSqs, *, name: str = "orders") -> Queue:
    arn = Arn("aws", "sqs", "us-east-1", "123456789012", name)
    client = cast("SQSClient", sqs)
    return Queue(f"sqs:{name}", client, f"https://sqs/123456789012/{name}", arn, {"VisibilityTimeout": "30"})


def failed(entry: dict[str, Any], code: str, *, sender_fault: bool = True) -> dict[str, Any]:
    """One entry of a batch that failed."""
    return {"Id": entry["Id"], "Code": code, "SenderFault": sender_fault, "Message": f"because of {code}"}


def refusal(code: str) -> ClientError:
    """A whole request that failed."""
    return ClientError({"Error": {"Code": code, "Message": f"because of {code}"}}, "Operation")
