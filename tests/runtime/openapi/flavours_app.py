"""Every flavour of HTTP, and every kind of value that a handler takes or returns, for documents to be true of."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict, deprecated

from eventflow import (
    AlbEvent,
    Header,
    HttpEvent,
    HttpPrelude,
    Query,
    RestEvent,
    documented,
    function,
    jwt_authorizer,
    on_alb,
    on_function_url,
    on_http,
    on_rest,
    rest_authorizer,
)


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Part(BaseModel):
    model_config = ConfigDict(strict=True)

    colour: Annotated[Colour, Field(strict=False)]
    weight: Decimal
    made: datetime.date
    parts: list[Part] = []


class Point(NamedTuple):
    x: int
    y: Decimal


@dataclass
class Area:
    name: str
    corners: list[Point]


class Count(TypedDict):
    count: int


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: Annotated[float, Field(strict=True)]


class Square(BaseModel):
    kind: Literal["square"]
    side: Annotated[float, Field(strict=True)]


@on_http("POST /parts")
def make_part(part: Part) -> Part:
    return part


@on_http("POST /shapes")
async def draw(shape: Annotated[Circle | Square, Field(discriminator="kind")]) -> dict[str, str]:
    return {"kind": shape.kind}


@on_http("PUT /names/{id}/{more+}")
async def name_it(id: int, more: str, text: str) -> str:
    return text


@on_http("PUT /pictures/{id}")
async def picture(id: UUID, data: bytes) -> Count:
    return {"count": len(data)}


@on_http("GET /areas")
async def areas(
    colour: Annotated[Colour, Query()],
    ids: Annotated[list[UUID] | None, Query("id")] = None,
    if_newer: Annotated[bool, Header()] = False,
) -> list[Area]:
    return [Area(colour.value, [Point(len(ids or ()), Decimal("1.50"))])] if not if_newer else []


@on_http("GET /optional/{id}")
async def optional(id: Annotated[int, Field(ge=0, le=1000)]) -> Part | None:
    """Maybe a part."""


@on_http("ANY /anything")
@on_http("GET /anything")
@documented(summary="All of it.", description="And more.", tags=["odd"], responses={200: Count, 400: Count, 404: str})
async def anything(event: HttpEvent) -> dict[str, Any]:
    status = 404 if event.method == "DELETE" else 200
    return {"statusCode": status, "body": {"count": 1}}


@on_http("POST /old", payload_format_version="1.0")
@deprecated("use POST /parts")
def old(event: RestEvent, part: Part | None) -> dict[str, Any]:
    """Not any more."""
    return {"statusCode": 200, "body": "" if part is None else part.model_dump_json()}


@rest_authorizer("TOKEN")
async def check_token(event: dict[str, Any]) -> dict[str, Any]:
    allowed = "Allow" if event["authorizationToken"] == "let me in" else "Deny"
    statement = {"Effect": allowed, "Action": "execute-api:Invoke", "Resource": "*"}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


@on_rest("POST /legacy/{id}", authorizer=check_token)
@function(timeout_seconds=60)
@documented(responses={200: Count})
async def legacy(id: int, counts: list[Annotated[int, Field(strict=True)]], event: RestEvent) -> dict[str, Any]:
    return {"statusCode": 200, "body": f'{{"count":{len(counts)}}}'}


@on_alb("/balanced/*", http_request_method="GET", http_header={"x-kind": "blue"}, query_string={"v": ["1", "2"]})
@documented(responses={200: Count})
async def balanced(event: AlbEvent, page: Annotated[int, Query()] = 1) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": f'{{"count":{page}}}'}


@on_function_url(invoke_mode="RESPONSE_STREAM")
async def stream(event: HttpEvent) -> AsyncIterator[str]:
    yield "one "
    yield event.path


@on_function_url(invoke_mode="RESPONSE_STREAM")
async def prelude(event: HttpEvent) -> AsyncIterator[HttpPrelude | bytes]:
    yield HttpPrelude(status_code=418)


signed_in = jwt_authorizer("https://id.example.com/", audience="shop")


@on_http("GET /mine", authorizer=signed_in, scopes=["read", "admin"])
async def mine() -> int:
    return 1


@on_http("GET /hidden")
@documented(hidden=True)
async def hidden() -> None:
    """Not in the document."""
