"""Putting items into a DynamoDB table. Source: DynamoDB API: PutItem, DeleteItem; DynamoDB guide: ServiceQuotas."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import InvalidMessageError
from eventflow.events.attribute_values import serialise_item
from eventflow_aws.faults import translated
from eventflow_aws.outbound import look, regional_arn

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.json import JsonObject
    from eventflow_aws.environment import Environment

ITEM_BYTES: Final = 400 * 1024
BODY_BYTES: Final = 8 * ITEM_BYTES
"""JSON text is longer than the item it stands for, but not by more than this."""
OPERATION: Final = "operation"
"""The message attribute that says what to do: ``put`` (without it, too) or ``delete``."""


async def open_table_sink(env: Environment, name: str) -> TableSink:
    """Raises ResourceNotFoundError, AccessDeniedError, UnavailableError, AdapterError."""
    resource = f"dynamodb:{name}"
    env.names.plain(resource)  # is it of this service?
    table = env.names.physical(resource)
    client = await env.clients.dynamodb()
    arn: str | None = None
    with look(resource, "dynamodb:DescribeTable"):
        arn = (await client.describe_table(TableName=table))["Table"]["TableArn"]
    return TableSink(client, resource, table=table, arn=arn or str(await regional_arn(env, resource)))


class TableSink:
    """A DestinationSink of one table. The body of a message is the item as plain JSON, put whole; to delete, set the
    attribute OPERATION to ``delete`` and let the body be the key."""

    def __init__(self, client: DynamoDBClient, resource: str, *, table: str, arn: str) -> None:
        self.arn = arn
        self._table = table
        self._client = client
        self._resource = resource

    async def send(self, message: OutboundMessage) -> None:
        item = self._item(message.body)
        match message.attributes.get(OPERATION, "put"):
            case "put":
                with translated(self._resource, "dynamodb:PutItem", sends=True):
                    await self._client.put_item(TableName=self._table, Item=item)
            case "delete":
                with translated(self._resource, "dynamodb:DeleteItem", sends=True):
                    await self._client.delete_item(TableName=self._table, Key=item)
            case other:
                raise InvalidMessageError(self._resource, f"{OPERATION} must be 'put' or 'delete', not {other!r}")

    async def aclose(self) -> None:
        """Nothing is held."""

    def _item(self, body: bytes) -> JsonObject:
        if len(body) > BODY_BYTES:
            raise InvalidMessageError(
                self._resource, f"an item of {len(body):,} bytes of JSON is over DynamoDB's {ITEM_BYTES:,} bytes"
            )
        try:
            value = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
            if not isinstance(value, dict):
                raise ValueError("an item must be a JSON object")
            return serialise_item(value)
        except (ValueError, RecursionError) as exc:
            raise InvalidMessageError(self._resource, f"the message is no item: {exc}") from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value that DynamoDB has")
