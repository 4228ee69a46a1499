"""Starting: importing the names of an app, asking for the version, serving an app until it answers.

Each figure is of a fresh process with warm byte code. The peer is FastAPI's hello on uvicorn.
"""

from __future__ import annotations

import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks.measure import MEGABYTES, MILLISECONDS, Contender, Effort, Figures, compare
from benchmarks.processes import Process, free_port, module
from benchmarks.report import Report, Table, at_most

SHOP: Final = Path(__file__).parents[1] / "examples" / "shop.py"
NAMES: Final = (
    "App, Context, HttpEvent, S3Event, SqsEvent, function, on_http, on_s3, on_schedule, on_sqs, on_sqs_batch, "
    "to_eventbridge, to_sqs"
)
"""What the shop imports: most of the public names."""

LIBRARIES: Final = """
import sqlite3, anyio._backends._asyncio, click, uvicorn.protocols.http.httptools_impl, uvloop, watchfiles
from pydantic import BaseModel
class Order(BaseModel):
    id: str
    total: float
"""
"""What serving the shop cannot do without, and its one model: the floor."""
ROUNDS: Final = 3
"""Rounds per round of the other benchmarks: these are short, and vary more."""


def measure(effort: Effort) -> Report:
    """Processes one after the other, never side by side."""
    rounds = effort.rounds * ROUNDS
    fastapi = find_spec("fastapi") is not None
    imports = compare(
        [
            Contender("python -c pass", partial(_run, [sys.executable, "-c", "pass"])),
            Contender("import eventflow's names", partial(_import, f"from eventflow import {NAMES}")),
            Contender("eventflow --version", partial(_run, module("eventflow", "--version"))),
            Contender("the libraries that serving needs", partial(_run, [sys.executable, "-c", LIBRARIES])),
            *([Contender("import fastapi", partial(_import, "import fastapi"))] if fastapi else []),
        ],
        rounds=rounds,
    )
    servers = [Contender("eventflow serve examples/shop.py", _serve_shop)]
    if fastapi:
        servers.append(Contender("FastAPI hello on uvicorn", _serve_fastapi))
    serving = compare(servers, rounds=rounds)
    ours, theirs = "eventflow serve examples/shop.py", "FastAPI hello on uvicorn"
    return Report(
        tables=[
            Table("process start to exit; for imports, the import alone", imports, MILLISECONDS, "python -c pass"),
            Table("process start to first HTTP answer", serving, MILLISECONDS, ours),
        ],
        targets=[
            at_most("import eventflow's names, ms", imports.median("import eventflow's names", MILLISECONDS), 90),
            at_most("eventflow serve, ms until it answers", serving.median(ours, MILLISECONDS), 180),
            at_most("eventflow serve, MB resident", serving.median(ours, MEGABYTES), 45),
            at_most("eventflow serve, time over FastAPI's", serving.ratio(ours, theirs, MILLISECONDS), 0.55),
        ],
        remarks=[] if fastapi else ["FastAPI: not installed; pip install -e '.[benchmark]'"],
    )


def _run(command: Sequence[str]) -> Figures:
    """From start to exit."""
    started = time.perf_counter()
    with Process(command) as process:
        process.wait()
        return {MILLISECONDS: (time.perf_counter() - started) * 1000}


def _import(statement: str) -> Figures:
    """The statement alone, timed in a process that has done nothing else."""
    program = f"import time; a = time.perf_counter(); {statement}; print(time.perf_counter() - a); input()"
    with Process([sys.executable, "-c", program]) as process:
        seconds = float(process.line())
        return {MILLISECONDS: seconds * 1000, MEGABYTES: process.megabytes()}


def _serve_shop() -> Figures:
    """With its queues, buckets and schedule, durable in a new data directory."""
    port = free_port()
    command = module("eventflow", "serve", str(SHOP), "--port", str(port), "--no-access-log", "--log-level", "error")
    with tempfile.TemporaryDirectory(dir=".", prefix=".benchmark-") as directory:
        return _serve(command, port, Path(directory))


def _serve_fastapi() -> Figures:
    """No more than one route that answers with a dict."""
    port = free_port()
    command = module("uvicorn", "benchmarks.fastapi_hello:app", "--port", str(port), "--no-access-log")
    return _serve([*command, "--log-level", "error"], port, Path())


def _serve(command: Sequence[str], port: int, directory: Path) -> Figures:
    started = time.perf_counter()
    with Process(command, directory=directory) as process:
        process.wait_until(partial(_answers, port))
        return {MILLISECONDS: (time.perf_counter() - started) * 1000, MEGABYTES: process.megabytes()}


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
            return bool(response.status == 200)
    except urllib.error.URLError:
        return False
