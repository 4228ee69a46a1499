"""Requests that a load balancer hands to a Lambda target. Source: ELB guide: lambda-functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import EventflowError
from eventflow.model.partitions import partition_of
from eventflow.plan.http_request import HttpRequest, encoded, forwarded, is_text, lists_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_TARGET_GROUP_ID: Final = "0" * 16


class UnreadableRequestError(EventflowError):
    """A request has headers or text that are not UTF-8, which no event can carry."""


def target_group_arn(name: str, *, region: str, account_id: str) -> str:
    """The ARN of the target group of a function. Its name has 32 characters at most, without underscores."""
    target_group = f"targetgroup/{name.replace('_', '-')[:32]}/{_TARGET_GROUP_ID}"
    return f"arn:{partition_of(region)}:elasticloadbalancing:{region}:{account_id}:{target_group}"


class AlbRequest(HttpRequest):
    """A request through a load balancer. Queries stay as they are encoded."""

    __slots__ = ("multi_value", "target_group")

    def __init__(self, *, target_group: str, multi_value: bool, **facts: Any) -> None:
        super().__init__(**facts)
        self.target_group = target_group
        self.multi_value = multi_value

    def _build(self) -> dict[str, Any]:
        """Raises UnreadableRequestError."""
        try:
            pairs = [(name.decode(), value.decode()) for name, value in self.headers]
            query = _pairs(self.query_string.encode("latin-1").decode())
            path = self.path.encode("latin-1").decode()
        except UnicodeDecodeError as exc:
            raise UnreadableRequestError("the request is not UTF-8") from exc
        last = dict(pairs)
        added = forwarded(last, self)
        pairs = [(name, value) for name, value in pairs if name not in added] + list(added.items())
        is_binary = "content-encoding" in last or not is_text(last.get("content-type", ""))
        text, is_base64 = encoded(self.body, is_text=not is_binary)
        if is_base64 and not is_binary:
            raise UnreadableRequestError("the body is said to be text, and is not UTF-8")
        return {
            "requestContext": {"elb": {"targetGroupArn": self.target_group}},
            "httpMethod": self.method,
            "path": path,
            **self._map("queryStringParameters", "multiValueQueryStringParameters", query),
            **self._map("headers", "multiValueHeaders", pairs),
            "body": text,
            "isBase64Encoded": is_base64,
        }

    def _map(self, single: str, multiple: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
        return {multiple: lists_of(pairs)} if self.multi_value else {single: dict(pairs)}


def _pairs(query: str) -> list[tuple[str, str]]:
    items: Iterable[tuple[str, str, str]] = (item.partition("=") for item in query.split("&") if item)
    return [(key, value) for key, _, value in items]
