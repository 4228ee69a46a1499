"""A lease table of DynamoDB for one process, which never loses a lease: so conditions of updates are taken to hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from benchmarks.aws_stub import Operation, RefusedError

Item: TypeAlias = "dict[str, Any]"

KEY_SCHEMA: Final = [
    {"AttributeName": "mapping", "KeyType": "HASH"},
    {"AttributeName": "shard", "KeyType": "RANGE"},
]


class LeaseStub:
    """The items of one table by their shard."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def operations(self) -> Mapping[bytes, Operation]:
        """What the aws adapter asks of its lease table, but for large states and shards that are gone."""
        table = json.dumps({"Table": {"TableStatus": "ACTIVE", "KeySchema": KEY_SCHEMA}}).encode()
        return {
            b"DynamoDB_20120810.DescribeTable": lambda body: table,
            b"DynamoDB_20120810.Query": self._query,
            b"DynamoDB_20120810.PutItem": self._put,
            b"DynamoDB_20120810.UpdateItem": self._update,
        }

    def _query(self, body: bytes) -> bytes:
        items = list(self._items.values())
        return json.dumps({"Items": items, "Count": len(items), "ScannedCount": len(items)}).encode()

    def _put(self, body: bytes) -> bytes:
        item = json.loads(body)["Item"]
        if self._items.setdefault(item["shard"]["S"], item) is not item:
            raise RefusedError("ConditionalCheckFailedException")
        return b"{}"

    def _update(self, body: bytes) -> bytes:
        request = json.loads(body)
        item = self._items[request["Key"]["shard"]["S"]]
        names, values = request["ExpressionAttributeNames"], request.get("ExpressionAttributeValues", {})
        assignments, _, removed = f"{request['UpdateExpression']} ".partition("REMOVE ")
        for name in filter(None, map(str.strip, removed.split(","))):
            item.pop(names[name], None)
        for assignment in filter(None, assignments.removeprefix("SET ").split(",")):
            name, _, value = map(str.strip, assignment.partition("="))
            item[names[name]] = _value(value, item, names, values)
        return json.dumps({"Attributes": item}).encode()


def _value(expression: str, item: Item, names: Mapping[str, str], values: Item) -> Any:
    """``:value`` or ``#name + :value``."""
    name, plus, value = map(str.strip, expression.rpartition("+"))
    if not plus:
        return values[value]
    return {"N": str(int(item[names[name]]["N"]) + int(values[value]["N"]))}
