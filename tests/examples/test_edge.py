"""``examples/edge.py``, with an origin of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventflow.testing import HttpResponse, OriginCall, TestApp
from eventflow.testing.edge import TestDistribution
from examples import edge

PAGES = {"/index.html": b"Welcome", "/about/index.html": b"About us"}


def files(call: OriginCall) -> HttpResponse:
    body = PAGES.get(call.url.removeprefix("http://origin.example"))
    return HttpResponse(status=404 if body is None else 200, headers=(), body=body or b"Error response")


@asynccontextmanager
async def site() -> AsyncIterator[TestDistribution]:
    async with TestApp(edge) as app:
        yield app.cloudfront("site", files)


async def test_a_directory_is_its_index_with_safe_headers() -> None:
    async with site() as distribution:
        response = await distribution.get("/about/")
    assert (response.status, response.body) == (200, b"About us")
    assert response.header("x-content-type-options") == "nosniff"
    assert distribution.calls[0].header("x-variant") in ("a", "b")


async def test_a_variant_once_given_is_kept() -> None:
    async with site() as distribution:
        await distribution.get("/", headers={"X-Variant": "c"})
    assert distribution.calls[0].header("x-variant") == "c"


async def test_an_old_link_leads_to_the_new_page() -> None:
    async with site() as distribution:
        response = await distribution.get("/about.html")
    assert (response.status, response.header("location"), distribution.calls) == (301, "/about/", [])


async def test_a_missing_page_is_told_kindly() -> None:
    async with site() as distribution:
        response = await distribution.get("/nowhere")
    assert (response.status, response.text) == (404, "There is no page at /nowhere.\n")
    assert response.header("x-content-type-options") is None, "CloudFront runs no viewer-response for errors"
