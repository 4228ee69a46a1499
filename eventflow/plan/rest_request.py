"""Requests in payload format 1.0. Source: API Gateway guide: set-up-lambda-proxy-integrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from eventflow.plan.http_request import (
    API_ID,
    HttpRequest,
    access_log_time,
    encoded,
    first_label,
    forwarded,
    is_text,
    lists_of,
)
from eventflow.policy.media_types import matches_any

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGE: Final = "local"

_NOT_FORWARDED: Final = frozenset(
    {
        "connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te",
        "trailer", "transfer-encoding", "upgrade", "www-authenticate",
    }
)  # fmt: skip
_NO_IDENTITY: Final = dict.fromkeys(
    (
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
        "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn",
    )
)  # fmt: skip


class HttpV1Request(HttpRequest):
    """A request to an HTTP API whose route asks for payload format 1.0. Absent parts are null."""

    __slots__ = ()

    def _build(self) -> dict[str, Any]:
        lists = self._headers()
        query = lists_of(parse_qsl(self.query_string, keep_blank_values=True))
        text, is_base64 = self._encoded_body(lists)
        return {
            **self._version(),
            "resource": self._resource,
            "path": self._path,
            "httpMethod": self.method,
            "headers": last_of(lists),
            "multiValueHeaders": lists or None,
            "queryStringParameters": last_of(query),
            "multiValueQueryStringParameters": query or None,
            "requestContext": self._context(lists),
            "pathParameters": dict(self.path_parameters) or None,
            "stageVariables": None,
            "body": text or None,
            "isBase64Encoded": is_base64,
        }

    def _version(self) -> dict[str, str]:
        return {"version": "1.0"}

    @property
    def _resource(self) -> str:
        return self.route_key.partition(" ")[2] or self.route_key

    @property
    def _path(self) -> str:
        return self.path

    def _headers(self) -> dict[str, list[str]]:
        lists = lists_of((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers)
        added = forwarded({name: values[-1] for name, values in lists.items()}, self)
        return lists | {name: [value] for name, value in added.items()}

    def _encoded_body(self, lists: Mapping[str, list[str]]) -> tuple[str, bool]:
        return encoded(self.body, is_text=is_text(lists.get("content-type", [""])[-1]))

    def _context(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        known = {name.lower(): values[-1] for name, values in headers.items()}
        host = known.get("host", "localhost")
        return {
            "accountId": self.account_id,
            "apiId": API_ID,
            "authorizer": self.authorizer or {"claims": None, "scopes": None},
            "domainName": host,
            "domainPrefix": first_label(host),
            "extendedRequestId": self.request_id,
            "httpMethod": self.method,
            "identity": {**_NO_IDENTITY, "sourceIp": self.source_ip, "userAgent": known.get("user-agent")},
            "path": self._path,
            "protocol": self.protocol,
            "requestId": self.request_id,
            "requestTime": access_log_time(int(self.time)),
            "requestTimeEpoch": int(self.time * 1000),
            "resourceId": None,
            "resourcePath": self._resource,
            "stage": self.stage,
        }


class RestRequest(HttpV1Request):
    """A request to a REST API. Header names are written in capitals as most clients do: the server no longer knows
    how this one did."""

    __slots__ = ("binary_media_types",)

    def __init__(self, *, binary_media_types: tuple[str, ...] = (), **facts: Any) -> None:
        super().__init__(**facts)
        self.binary_media_types = binary_media_types

    def accepts_binary(self) -> bool:
        """Whether an answer in base64 is decoded: the first type the client accepts is one of the API's."""
        accepted = next((value for name, value in self.headers if name == b"accept"), b"")
        return matches_any(accepted.decode("latin-1").partition(",")[0], self.binary_media_types)

    def _version(self) -> dict[str, str]:
        return {}

    @property
    def _path(self) -> str:
        return "/" + self.path.lstrip("/") if self.path.startswith("//") else self.path

    @property
    def stage(self) -> str:
        return STAGE

    def _headers(self) -> dict[str, list[str]]:
        lists = super()._headers()
        return {_capitals(name): values for name, values in lists.items() if name not in _NOT_FORWARDED}

    def _encoded_body(self, lists: Mapping[str, list[str]]) -> tuple[str, bool]:
        content_type = lists.get("Content-Type", [""])[-1]
        return encoded(self.body, is_text=not matches_any(content_type, self.binary_media_types))

    def _context(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        context = super()._context(headers)
        if self.authorizer is None:
            del context["authorizer"]
        context |= {"deploymentId": API_ID, "resourceId": API_ID, "path": f"/{STAGE}{self._path}"}
        return context


def _capitals(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def last_of(lists: Mapping[str, list[str]]) -> dict[str, str] | None:
    """The last value of each name; ``None`` if there are no names."""
    return {name: values[-1] for name, values in lists.items()} or None
