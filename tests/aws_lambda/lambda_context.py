"""A context object like that of Lambda's runtime, and a handler that is stopped after its test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from eventflow import App, function
from eventflow.aws_lambda import LambdaHandler
from eventflow.plan.environment import Environment

SAMPLES: Final = Path(__file__).parents[1] / "samples"
ARN: Final = "arn:aws:lambda:eu-west-1:123456789012:function:shop"


@dataclass
class LambdaContext:
    """What ``awslambdaric`` passes, attribute for attribute."""

    aws_request_id: str = "8d0f1a2b-0000-4000-a000-000000000001"
    function_name: str = "shop"
    function_version: str = "7"
    invoked_function_arn: str = f"{ARN}:live"
    memory_limit_in_mb: str = "512"
    log_group_name: str = "/aws/lambda/shop"
    log_stream_name: str = "2026/01/01/[7]abc"
    client_context: Any = None
    tenant_id: str | None = None
    identity: Any = field(
        default_factory=lambda: SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
    )
    remaining_milliseconds: int = 30_000
    logged: list[str] = field(default_factory=list)
    traceparent: str | None = None

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds

    def log(self, message: str) -> None:
        self.logged.append(message)

    def w3c(self) -> dict[str, str]:
        return {} if self.traceparent is None else {"traceparent": self.traceparent}


@contextmanager
def handler_of(
    *functions: Any, function_name: str | None = None, environment: Environment | None = None, **options: Any
) -> Iterator[LambdaHandler]:
    """The handler of an app of these functions."""
    plan = App(functions, **options).freeze(environment or Environment())
    handler = LambdaHandler(plan, function_name=function_name)
    try:
        yield handler
    finally:
        handler.stop()


def sample(name: str) -> Any:
    """A wire event from ``tests/samples``."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def request(method: str, path: str, *, route_key: str | None = None, stage: str = "$default", **fields: Any) -> Any:
    """A request as an HTTP API sends it; without ``route_key``, one whose only route is ``$default``."""
    wire = sample("http/smallest")
    context = wire["requestContext"]
    http = {**context["http"], "method": method, "path": path}
    context = {**context, "http": http, "stage": stage, "routeKey": route_key or "$default"}
    return {**wire, "routeKey": route_key or "$default", "rawPath": path, "requestContext": context, **fields}


def named(name: str, decorator: Any) -> Any:
    """A function that answers with its own name."""

    async def handler(event) -> str:  # type: ignore[no-untyped-def]  # unannotated: the raw event
        return name

    return decorator(function(name=name)(handler))
