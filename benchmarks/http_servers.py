"""The servers of the HTTP benchmark: ``python -m benchmarks.http_servers NAME`` serves until it is stopped.

All of them run on the same uvicorn with uvloop and httptools and without an access log, on a free port, which the
first line of output names. They answer the same requests with the same JSON.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import uvicorn
import uvloop
from pydantic import BaseModel

from eventflow import App, Environment, HttpEvent, on_alb, on_function_url, on_http, on_rest
from eventflow.run.runner import RunOptions, Started, run_plan
from eventflow.runtime.http.asgi import Receive, Scope, Send
from eventflow.runtime.stopping import StopSignal

FLAVOURS: Final = "eventflow, every front"
GREETING: Final = {"message": "Hello, world!"}


class Order(BaseModel):
    """What ``POST /orders`` takes and answers with."""

    id: str
    total: float
    items: list[str]


@on_http("GET /")
async def no_event() -> dict[str, str]:
    """Asks for nothing, so no event is built."""
    return GREETING


@on_http("GET /dict")
async def raw_event(event: dict[str, Any]) -> dict[str, str]:
    """Gets API Gateway's event as a dict."""
    return GREETING


@on_http("GET /event")
async def typed_event(event: HttpEvent) -> dict[str, str]:
    """Gets it as a validated model."""
    return GREETING


@on_http("POST /orders")
async def create_order(order: Order) -> Order:
    """Gets the body as a validated model."""
    return order


@on_http("GET /http")
@on_http("GET /http-v1", payload_format_version="1.0")
@on_rest("GET /rest")
@on_alb("/alb")
@on_function_url()
async def answered(event: dict[str, Any]) -> dict[str, Any]:
    """Gets each front's event as a dict, and answers in the form that all of them read."""
    headers = {"content-type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(GREETING), "isBase64Encoded": False}


async def serve_eventflow() -> None:
    await _run(App([no_event, raw_event, typed_event, create_order]))


async def serve_flavours() -> None:
    await _run(App([answered]))


async def _run(app: App) -> None:
    plan = app.freeze(Environment(options={"data": "memory"}))
    await run_plan(plan, RunOptions(port=0), stop=StopSignal(), on_started=_announce)


def _announce(started: Started) -> None:
    assert started.address is not None
    print(started.address.rpartition(":")[2], flush=True)


async def serve_raw() -> None:
    await _serve(raw_app)


async def raw_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The least an ASGI application can do for these two routes: no routing, no validation, no limits."""
    answer: object = GREETING
    if scope["method"] == "POST":
        answer = json.loads((await receive())["body"])
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve_starlette() -> None:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def greet(request: Request) -> JSONResponse:
        return JSONResponse(GREETING)

    async def create(request: Request) -> JSONResponse:
        return JSONResponse(await request.json())

    await _serve(Starlette(routes=[Route("/", greet), Route("/orders", create, methods=["POST"])]))


async def serve_fastapi() -> None:
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def greet() -> dict[str, str]:
        return GREETING

    @app.post("/orders")
    async def create(order: Order) -> Order:
        return order

    await _serve(app)


async def _serve(app: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        print(sock.getsockname()[1], flush=True)
        config = uvicorn.Config(
            app, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None, proxy_headers=False,
            server_header=False,
        )  # fmt: skip
        await uvicorn.Server(config).serve(sockets=[sock])


SERVERS: Final[Mapping[str, Callable[[], Coroutine[Any, Any, None]]]] = {
    "eventflow": serve_eventflow,
    FLAVOURS: serve_flavours,
    "raw ASGI": serve_raw,
    "Starlette": serve_starlette,
    "FastAPI": serve_fastapi,
}


if __name__ == "__main__":
    uvloop.run(SERVERS[sys.argv[1]]())
