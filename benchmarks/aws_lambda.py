"""Inside AWS Lambda: what a handler costs per invocation over a bare one, and what a cold start takes.

The peers are Mangum with a hand-written ASGI app, and AWS's own Powertools. All handle the same events in this process;
a cold start is a fresh process with warm byte code that imports what it needs and handles its first event.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

from benchmarks import lambda_handlers as handlers
from benchmarks.measure import CPU, MILLISECONDS, Contender, Effort, Figures, Results, Stopwatch, compare
from benchmarks.report import Report, Table, at_most

INVOCATIONS: Final = 10_000
HTTP: Final = {
    "bare handler": handlers.bare_http,
    "eventflow, raw event": handlers.eventflow_http_raw,
    "eventflow, validated model": handlers.eventflow_http,
    "eventflow, def handler": handlers.eventflow_http_plain,
    "Mangum, raw ASGI app": handlers.mangum_http,
    "Powertools, HTTP resolver": handlers.powertools_http,
    "Powertools, validated model": handlers.powertools_http_validated,
}
SQS: Final = {
    "bare loop": handlers.bare_sqs,
    "eventflow, raw records": handlers.eventflow_sqs,
    "eventflow, validated models": handlers.eventflow_sqs_typed,
    "Powertools, BatchProcessor": handlers.powertools_sqs,
}
COLD: Final = ("bare handler", "eventflow, raw event", "Mangum, raw ASGI app", "Powertools, HTTP resolver")
PEERS: Final = {"Mangum": "mangum", "Powertools": "aws_lambda_powertools"}

_COLD: Final = """
import time
started = time.perf_counter()
from benchmarks.lambda_handlers import LambdaContext, http_event, {name}
assert {name}()(http_event(), LambdaContext())["statusCode"] == 201
print((time.perf_counter() - started) * 1000)
"""


def measure(effort: Effort) -> Report:
    """One process for what is warm; one process each for what is cold."""
    count = effort.items(INVOCATIONS)
    http = _warm(HTTP, handlers.http_event, count, effort)
    sqs = _warm(SQS, handlers.sqs_event, count // 5, effort)
    cold = compare(
        [Contender(name, partial(_cold, HTTP[name].__name__)) for name in COLD if _is_there(name)],
        rounds=effort.rounds,
    )
    ours = "eventflow, raw event"
    return Report(
        tables=[
            Table("one HTTP API event: POST of a small JSON body", http, CPU, "bare handler"),
            Table(f"one SQS batch of {handlers.MESSAGES} messages", sqs, CPU, "bare loop"),
            Table("cold start: imports and the first HTTP event", cold, MILLISECONDS, "bare handler"),
        ],
        targets=[
            at_most("HTTP, CPU over Mangum's", http.ratio(ours, "Mangum, raw ASGI app", CPU), 1),
            at_most("HTTP, CPU over Powertools'", http.ratio(ours, "Powertools, HTTP resolver", CPU), 1),
            at_most(
                "SQS, CPU over Powertools'", sqs.ratio("eventflow, raw records", "Powertools, BatchProcessor", CPU), 1
            ),
        ],
        remarks=[
            f"{peer}: not installed; pip install -e '.[benchmark]'"
            for peer, package in PEERS.items()
            if find_spec(package) is None
        ],
    )


def _warm(
    contenders: dict[str, Callable[[], handlers.Handler]], event: Callable[[], Any], count: int, effort: Effort
) -> Results:
    made = [
        Contender(name, partial(_invocations, make(), event(), count))
        for name, make in contenders.items()
        if _is_there(name)
    ]
    return compare(made, rounds=effort.rounds)


def _is_there(name: str) -> bool:
    return all(find_spec(package) is not None for peer, package in PEERS.items() if name.startswith(peer))


def _invocations(handler: handlers.Handler, event: Any, count: int) -> Figures:
    context = handlers.LambdaContext()
    for _ in range(count // 10):
        handler(event, context)
    watch = Stopwatch()
    for _ in range(count):
        handler(event, context)
    return watch.figures(count)


def _cold(name: str) -> Figures:
    command: Sequence[str] = [sys.executable, "-c", _COLD.format(name=name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {MILLISECONDS: float(done.stdout)}
