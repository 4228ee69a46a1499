"""Requests to the lease table, whatever they mean: in time, not too many at once, and with their conditions."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import anyio
from botocore.exceptions import ClientError

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow_aws.faults import creating, error_code, translated
from eventflow_aws.names import Arn
from eventflow_aws.streams.lease_items import key, state_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import (
        KeySchemaElementTypeDef,
        QueryInputTypeDef,
        TransactWriteItemTypeDef,
        UpdateTypeDef,
    )

    from eventflow_aws.clients import Clients
    from eventflow_aws.streams.lease_items import Item

KEY_SCHEMA: Final[tuple[KeySchemaElementTypeDef, ...]] = (
    {"AttributeName": "mapping", "KeyType": "HASH"},
    {"AttributeName": "shard", "KeyType": "RANGE"},
)
"""Both are text. The table is billed on demand."""
CONCURRENT_REQUESTS: Final = 16
"""Of one process, over all its subscriptions."""
TABLE_REQUEST_SECONDS: Final = 15.0
"""For asking about the table itself, while no lease depends on the answer."""


class Update(NamedTuple):
    """A change of one lease. Attributes are written ``#name``, values ``:name``; nothing happens unless ``condition``
    holds."""

    mapping: str
    shard: str
    change: str
    condition: str
    values: Item


class LeaseRequests:
    """What is asked of one table. A request about an item takes at most ``request_seconds``; all raise
    UnavailableError, ResourceNotFoundError and AccessDeniedError. ``table`` is its name or ARN."""

    def __init__(self, clients: Clients, table: str, *, resource: str, request_seconds: float) -> None:
        self.table = table
        self.resource = resource
        self.found = False
        """Whether the table was seen, and no request has missed it since."""
        self._clients = clients
        self._request_seconds = request_seconds
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def status(self) -> str | None:
        """The table's; ``None`` if there is no such table. Raises AdapterError if it is some other table."""
        try:
            async with self._request("dynamodb:DescribeTable", seconds=TABLE_REQUEST_SECONDS) as client:
                table = (await client.describe_table(TableName=self.table))["Table"]
        except ResourceNotFoundError:
            return None
        if tuple(table["KeySchema"]) != KEY_SCHEMA:
            wanted = "partition key `mapping` and sort key `shard`"
            raise AdapterError(self.resource, f"the table {self.table} is no lease table: it needs the {wanted}")
        return str(table["TableStatus"])

    async def create(self) -> None:
        """Make the table, unless somebody else does so right now."""
        if Arn.parse(self.table) is not None:
            raise ResourceNotFoundError(self.resource, f"{self.table} does not exist; `eventflow provision` makes it")
        action = "dynamodb:CreateTable"
        try:
            async with self._request(action, seconds=TABLE_REQUEST_SECONDS) as client:
                with creating(self.resource, action):
                    await client.create_table(
                        TableName=self.table,
                        KeySchema=KEY_SCHEMA,
                        AttributeDefinitions=[
                            {"AttributeName": part["AttributeName"], "AttributeType": "S"} for part in KEY_SCHEMA
                        ],
                        BillingMode="PAY_PER_REQUEST",
                    )
        except AccessDeniedError as exc:
            message = f"the table {self.table} does not exist and must not be made here; `eventflow provision` makes it"
            raise AccessDeniedError(self.resource, f"{message} ({exc})") from exc

    async def query(self, mapping: str) -> list[Item]:
        """All items with this partition key, as they are now."""
        items: list[Item] = []
        request: QueryInputTypeDef = {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "#mapping = :mapping",
            "ExpressionAttributeNames": {"#mapping": "mapping"},
            "ExpressionAttributeValues": {":mapping": {"S": mapping}},
        }
        while True:
            async with self._request("dynamodb:Query") as client:
                page = await client.query(**request)
            items += page["Items"]
            if not page.get("LastEvaluatedKey"):
                return items
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def state_part(self, mapping: str, shard: str, number: int) -> bytes:
        """One part of a state that does not lie beside its position."""
        async with self._request("dynamodb:GetItem") as client:
            answer = await client.get_item(
                TableName=self.table, Key=state_key(mapping, shard, number), ConsistentRead=True
            )
        if "Item" not in answer:
            raise UnavailableError(self.resource, f"part {number} of the state of {shard} is missing")
        return bytes(answer["Item"]["part"]["B"])

    async def add(self, item: Item) -> bool:
        """Store an item; false if there is one."""
        try:
            async with self._request("dynamodb:PutItem") as client:
                await client.put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(#shard)",
                    ExpressionAttributeNames={"#shard": "shard"},
                )
        except _ConditionFailedError:
            return False
        return True

    async def update(self, update: Update) -> Item | None:
        """The item as it is now; ``None`` if the condition did not hold."""
        try:
            async with self._request("dynamodb:UpdateItem") as client:
                answer = await client.update_item(**self._expressions(update), ReturnValues="ALL_NEW")
        except _ConditionFailedError:
            return None
        return answer["Attributes"]

    async def update_with_state(self, update: Update, parts: Sequence[bytes], *, parts_before: int) -> bool:
        """Update a lease and replace the parts of its state, both or neither; false if the condition did not hold."""
        writes: list[TransactWriteItemTypeDef] = [{"Update": self._expressions(update)}]
        for number in range(max(len(parts), parts_before)):
            part_key = state_key(update.mapping, update.shard, number)
            if number < len(parts):
                item = {**part_key, "part": {"B": parts[number]}}
                writes.append({"Put": {"TableName": self.table, "Item": item}})
            else:
                writes.append({"Delete": {"TableName": self.table, "Key": part_key}})
        try:
            async with self._request("dynamodb:TransactWriteItems") as client:
                await client.transact_write_items(TransactItems=writes)
        except _ConditionFailedError:
            return False
        return True

    async def delete(self, mapping: str, shard: str, *, counter: int, state_parts: int) -> None:
        """Delete a lease whose counter is still this, with the parts of its state."""
        try:
            async with self._request("dynamodb:DeleteItem") as client:
                await client.delete_item(
                    TableName=self.table,
                    Key=key(mapping, shard),
                    ConditionExpression="#counter = :counter",
                    ExpressionAttributeNames={"#counter": "counter"},
                    ExpressionAttributeValues={":counter": {"N": str(counter)}},
                )
                for number in range(state_parts):
                    await client.delete_item(TableName=self.table, Key=state_key(mapping, shard, number))
        except _ConditionFailedError:
            return

    def _expressions(self, update: Update) -> UpdateTypeDef:
        names = re.findall(r"#\w+", f"{update.change} {update.condition}")
        return {
            "TableName": self.table,
            "Key": key(update.mapping, update.shard),
            "UpdateExpression": update.change,
            "ConditionExpression": update.condition,
            "ExpressionAttributeNames": {name: name[1:] for name in names},
            "ExpressionAttributeValues": update.values,
        }

    @asynccontextmanager
    async def _request(self, action: str, *, seconds: float | None = None) -> AsyncIterator[DynamoDBClient]:
        seconds = self._request_seconds if seconds is None else seconds
        with translated(self.resource, action):
            try:
                client = await self._clients.dynamodb()
                async with self._slots:
                    with anyio.fail_after(seconds):
                        yield client
            except TimeoutError as exc:
                raise UnavailableError(self.resource, f"{action} took longer than {seconds:g} s") from exc
            except ClientError as exc:
                if _condition_failed(exc):
                    raise _ConditionFailedError from exc
                self.found &= error_code(exc) != "ResourceNotFoundException"
                raise


class _ConditionFailedError(Exception):
    """The item is not as the request demanded."""


def _condition_failed(exc: ClientError) -> bool:
    if error_code(exc) == "TransactionCanceledException":
        reasons = cast("list[dict[str, str]]", exc.response.get("CancellationReasons", []))
        return any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons)
    return error_code(exc) == "ConditionalCheckFailedException"
