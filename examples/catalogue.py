"""A catalogue over HTTP, described by its own annotations.

eventflow serve examples/catalogue.py --docs          then look at http://127.0.0.1:8000/docs
eventflow export openapi examples/catalogue.py        the same as a document
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from eventflow import App, Header, HttpAuthorizerEvent, Query, documented, http_authorizer, on_http

MAXIMUM_ITEMS = 1_000
API_KEY = "let me in"


class Draft(BaseModel):
    """An item before it is in the catalogue. Strict: the text "3" is no number."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=80)]
    price: Annotated[float, Field(ge=0, le=1_000_000)]
    tags: Annotated[list[str], Field(max_length=5)] = []


class Item(Draft):
    """An item of the catalogue."""

    id: UUID


class Mistake(BaseModel):
    """Why something could not be done."""

    message: str


items: OrderedDict[UUID, Item] = OrderedDict()


@http_authorizer(identity_sources=["$request.header.X-Api-Key"], result_ttl_seconds=60)
async def check_key(event: HttpAuthorizerEvent) -> dict[str, Any]:
    return {"isAuthorized": event.header("x-api-key") == API_KEY}


@on_http("GET /items")
@documented(tags=["items"])
async def list_items(
    limit: Annotated[int, Query(), Field(ge=1, le=100)] = 20,
    tag: Annotated[list[str], Query()] = [],  # noqa: B006 (nobody changes it)
) -> list[Item]:
    """The newest items.

    With ``tag``, those that have all of the tags.
    """
    found = (item for item in reversed(items.values()) if set(tag) <= set(item.tags))
    return [item for item, _ in zip(found, range(limit), strict=False)]


@on_http("POST /items", authorizer=check_key)
@documented(tags=["items"], responses={201: Item})
async def create_item(
    draft: Draft, currency: Annotated[str, Header("x-currency"), Field(pattern="^[A-Z]{3}$")] = "EUR"
) -> dict[str, Any]:
    """Add an item. The catalogue keeps the newest thousand."""
    item = Item(id=uuid4(), **draft.model_dump())
    items[item.id] = item
    if len(items) > MAXIMUM_ITEMS:
        items.popitem(last=False)
    headers = {"location": f"/items/{item.id}", "x-currency": currency}
    return {"statusCode": 201, "headers": headers, "body": item.model_dump_json()}


@on_http("GET /items/{item_id}")
@documented(tags=["items"], responses={200: Item, 404: Mistake})
async def get_item(item_id: UUID) -> dict[str, Any]:
    """One item."""
    item = items.get(item_id)
    return _missing(item_id) if item is None else {"statusCode": 200, "body": item.model_dump_json()}


@on_http("PUT /items/{item_id}", authorizer=check_key)
@documented(tags=["items"], responses={200: Item, 404: Mistake})
async def replace_item(item_id: UUID, draft: Draft) -> dict[str, Any]:
    """Change an item as a whole."""
    if item_id not in items:
        return _missing(item_id)
    items[item_id] = Item(id=item_id, **draft.model_dump())
    return {"statusCode": 200, "body": items[item_id].model_dump_json()}


@on_http("DELETE /items/{item_id}", authorizer=check_key)
@documented(tags=["items"], responses={204: None, 404: Mistake})
async def delete_item(item_id: UUID) -> dict[str, Any]:
    """Take an item out."""
    return _missing(item_id) if items.pop(item_id, None) is None else {"statusCode": 204}


@on_http("GET /shelves/{place+}")
@documented(tags=["shelves"], deprecated=True)
async def shelf(place: str) -> dict[str, str]:
    """Where a shelf stands."""
    return {"place": place}


def _missing(item_id: UUID) -> dict[str, Any]:
    return {"statusCode": 404, "body": Mistake(message=f"there is no item {item_id}").model_dump_json()}


app = App(
    [check_key, list_items, create_item, get_item, replace_item, delete_item, shelf],
    name="catalogue",
    version="1.2.0",
)
