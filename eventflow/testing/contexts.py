"""The second argument of a handler that a test calls by itself."""

from __future__ import annotations

from typing import Any

from eventflow.model.context import Context, FunctionEnvironment
from eventflow.plan.environment import Environment


def handler_context(
    function_name: str = "function",
    *,
    state: Any = None,
    timeout_seconds: float = 3.0,
    memory_limit_mb: int = 128,
    request_id: str = "00000000-0000-4000-8000-000000000001",
) -> Context:
    """What Lambda would pass to ``function_name``: ``await create_order(order, handler_context())``.

    ``state`` stands for what the app's lifespan yields. No time passes: all of ``timeout_seconds`` remains.
    """
    environment = FunctionEnvironment(
        function_name=function_name,
        function_arn=Environment().function_arn(function_name),
        memory_limit_in_mb=str(memory_limit_mb),
        log_group_name=f"/aws/lambda/{function_name}",
        log_stream_name="2026/01/01/[$LATEST]00000000000000000000000000000000",
        clock=lambda: 0.0,
        next_request_id=lambda: request_id,
        state=state,
    )
    return Context(environment, timeout_seconds)
