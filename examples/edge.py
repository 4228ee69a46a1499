"""Four functions around a web site, as CloudFront runs them; locally, in front of a server of your own.

    python -m http.server 9000                       # the origin
    cd examples && eventflow serve edge.py           # the edge proxy, as eventflow.toml there says

and open http://127.0.0.1:8080.
"""

from __future__ import annotations

import hashlib

from eventflow import CloudFrontEvent, EdgeRequest, EdgeResponse, on_cloudfront

OLD_PATHS = {"/about.html": "/about/", "/contact.html": "/about/#contact"}


@on_cloudfront("site", "viewer-request")
async def welcome(event: CloudFrontEvent) -> EdgeRequest | EdgeResponse:
    """Send old links where their page is now, and give every visitor one of two variants to keep."""
    request = event.request
    if request.uri in OLD_PATHS:
        return EdgeResponse.generate(301, headers={"Location": OLD_PATHS[request.uri]})
    variant = "b" if hashlib.sha256(str(request.client_ip).encode()).digest()[0] % 2 else "a"
    return request if request.header("X-Variant") else request.with_header("X-Variant", variant)


@on_cloudfront("site", "origin-request")
async def index(event: CloudFrontEvent) -> EdgeRequest:
    """The origin knows files, not directories."""
    uri = event.request.uri
    return event.request.model_copy(update={"uri": f"{uri}index.html"}) if uri.endswith("/") else event.request


@on_cloudfront("site", "origin-response")
async def not_found(event: CloudFrontEvent) -> EdgeResponse:
    """A page that is missing gets a friendlier answer than the origin's."""
    if event.response.status != "404":
        return event.response
    response = event.response.with_header("Content-Type", "text/plain")
    return response.model_copy(update={"body": f"There is no page at {event.request.uri}.\n"})


@on_cloudfront("site", "viewer-response")
async def secure(event: CloudFrontEvent) -> EdgeResponse:
    return event.response.with_header("Strict-Transport-Security", "max-age=63072000").with_header(
        "X-Content-Type-Options", "nosniff"
    )
