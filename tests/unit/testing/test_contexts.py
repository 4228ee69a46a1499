"""A context for a handler that a test calls by itself."""

from __future__ import annotations

from eventflow import Context, on_sqs
from eventflow.testing import TestApp, handler_context


@on_sqs("orders")
def describe(order: str, context: Context) -> str:
    seconds = context.get_remaining_time_in_millis() / 1000
    return f"{order} {context.function_name} {seconds:g} {context.state} {context.memory_limit_in_mb}"


def test_a_decorated_function_is_called_with_it() -> None:
    context = handler_context("describe", state="a client", timeout_seconds=60, memory_limit_mb=256, request_id="r-1")
    assert describe("o-1", context) == "o-1 describe 60 a client 256"
    assert context.aws_request_id == "r-1"


async def test_it_says_what_a_context_of_a_run_says() -> None:
    async with TestApp(describe) as app:
        [real] = [function.invoker.environment for _, function in app.supervisor.functions.items()]
    made = handler_context("describe")
    assert (made.function_name, made.invoked_function_arn) == (real.function_name, real.function_arn)
    assert (made.log_group_name, made.function_version) == (real.log_group_name, real.function_version)
    assert made.memory_limit_in_mb == real.memory_limit_in_mb
