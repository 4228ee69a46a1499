"""Answering HTTP: eventflow against a hand-written ASGI application, Starlette and FastAPI on the same uvicorn.

The judge is the server's CPU time per request. Load comes from wrk; server and wrk have a processor each.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks.http_servers import FLAVOURS
from benchmarks.measure import CPU, RATE, Contender, Effort, Figures, compare
from benchmarks.processes import Process, module, pinned
from benchmarks.report import Report, Table, at_least, at_most

SECONDS: Final = 3
CONNECTIONS: Final = 32
SERVER_CPU: Final = 0
WRK_CPU: Final = 1
DICT: Final = "eventflow, event as a dict"
MODEL: Final = "eventflow, event as a model"
FRONTS: Final = {
    "HTTP API, payload 2.0": "/http",
    "HTTP API, payload 1.0": "/http-v1",
    "REST API": "/rest",
    "load balancer": "/alb",
}
FUNCTION_URL: Final = "answered.lambda-url.localhost"
_POST: Final = Path(__file__).with_name("order.lua")


def measure(effort: Effort) -> Report:
    """GET and POST; without wrk nothing can be measured."""
    if shutil.which("wrk") is None:
        return Report(tables=[], remarks=["http: wrk is not installed; apt-get install wrk, or brew install wrk"])
    peers = {"Starlette": "starlette", "FastAPI": "fastapi"}
    missing = [name for name, package in peers.items() if find_spec(package) is None]
    names = [name for name in ("raw ASGI", "eventflow", "Starlette", "FastAPI") if name not in missing]
    with ExitStack() as stack:
        servers = {name: _Server(stack.enter_context(_started(name))) for name in names}
        flavours = _Server(stack.enter_context(_started(FLAVOURS)))
        gets = compare(_gets(servers, effort), rounds=effort.rounds)
        fronts = compare(_fronts(servers, flavours, effort), rounds=effort.rounds)
        posts = compare(
            [Contender(name, partial(server.load, "/orders", effort, post=True)) for name, server in servers.items()],
            rounds=effort.rounds,
        )
    return Report(
        tables=[
            Table("HTTP GET, a small JSON answer", gets, CPU, "raw ASGI"),
            Table("HTTP GET through every front: its event as a dict, its answer an object", fronts, CPU, "raw ASGI"),
            Table("HTTP POST, a small JSON body into a model and back", posts, CPU, "raw ASGI"),
        ],
        targets=[
            at_most("GET, CPU over raw ASGI", gets.ratio("eventflow", "raw ASGI", CPU), 1.25),
            at_most("GET with the event as a dict, CPU over raw ASGI", gets.ratio(DICT, "raw ASGI", CPU), 1.25),
            at_most("GET, CPU over Starlette", gets.ratio("eventflow", "Starlette", CPU), 0.8),
            at_least("GET, FastAPI's CPU over eventflow's", gets.ratio("FastAPI", "eventflow", CPU), 3),
            at_least("POST, FastAPI's CPU over eventflow's", posts.ratio("FastAPI", "eventflow", CPU), 3),
        ],
        remarks=[f"{name}: not installed; pip install -e '.[benchmark]'" for name in missing],
    )


def _gets(servers: dict[str, _Server], effort: Effort) -> list[Contender]:
    contenders = [Contender(name, partial(server.load, "/", effort)) for name, server in servers.items()]
    ours = servers["eventflow"]
    contenders.insert(2, Contender(DICT, partial(ours.load, "/dict", effort)))
    contenders.insert(3, Contender(MODEL, partial(ours.load, "/event", effort)))
    return contenders


def _fronts(servers: dict[str, _Server], flavours: _Server, effort: Effort) -> list[Contender]:
    contenders = [Contender(name, partial(flavours.load, path, effort)) for name, path in FRONTS.items()]
    contenders.append(Contender("function URL", partial(flavours.load, "/", effort, host=FUNCTION_URL)))
    others = [name for name in servers if name in ("raw ASGI", "FastAPI")]
    return [*contenders, *(Contender(name, partial(servers[name].load, "/", effort)) for name in others)]


def _started(name: str) -> Process:
    return Process(module("benchmarks.http_servers", name), cpu=SERVER_CPU)


class _Server:
    """One of :mod:`benchmarks.http_servers`, listening."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._port = int(process.line())

    def load(self, path: str, effort: Effort, *, post: bool = False, host: str | None = None) -> Figures:
        """Keep it busy for a while; raises RuntimeError if it answers with an error."""
        seconds = max(1, round(SECONDS * effort.scale))
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *(["-s", str(_POST)] if post else [])]
        options += ["-H", f"Host: {host}"] if host else []
        before = self._process.cpu_seconds()
        command = [*pinned(WRK_CPU), "wrk", *options, f"http://127.0.0.1:{self._port}{path}"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        cpu_seconds = self._process.cpu_seconds() - before
        found = re.search(r"(\d+) requests in", output)
        if found is None or "Non-2xx" in output or "Socket errors" in output:
            raise RuntimeError(f"wrk had no clean answers from {path}:\n{output}")
        requests = int(found[1])
        return {RATE: requests / seconds, CPU: cpu_seconds / requests * 1e6}
