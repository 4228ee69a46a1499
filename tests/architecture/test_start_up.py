"""What starting up must not load: an app pays for the sources it names, and for nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NEVER = (
    "eventflow.testing",
    "prometheus_client",
    "hypothesis",
    "pytest",
    "boto3",
    "botocore",
    "aiobotocore",
    "aiokafka",
)

DECLARATIONS = """
from eventflow import Context, HttpEvent, S3Event, SqsEvent, function, on_http, on_s3, on_schedule, on_sqs, to_sqs
"""

HTTP_APP = """
from eventflow import on_http

@on_http("GET /")
async def hello():
    return {"message": "hello"}
"""

QUEUE_APP = """
from eventflow import on_sqs

@on_sqs("orders")
async def expedite(order: dict):
    return None
"""

COLLECTING_APP = """
import gc
from eventflow import function

@function
async def collecting(event):
    return gc.isenabled()
"""

SERVE = """
import json, logging, os, sys

class LeaveWhenReady(logging.Handler):
    def emit(self, record):
        if record.getMessage() == "ready":
            print(json.dumps(list(sys.modules)), file=sys.stderr, flush=True)
            os._exit(0)

logging.getLogger("eventflow").addHandler(LeaveWhenReady())
sys.argv = ["eventflow", "serve", "app.py", "--port", "0", "--log-format", "json"]
from eventflow.cli import main
main()
"""


def modules_after(code: str) -> list[str]:
    """What an interpreter has loaded when ``code`` has run."""
    code += "\nimport json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    modules: list[str] = json.loads(done.stdout)
    return modules


def modules_when_ready(app: str, directory: Path) -> list[str]:
    """What ``eventflow serve`` of an app has loaded when it is ready."""
    (directory / "app.py").write_text(app)
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])}
    done = subprocess.run(
        [sys.executable, "-c", SERVE], capture_output=True, text=True, check=True, cwd=directory, env=variables
    )
    modules: list[str] = json.loads(done.stderr.splitlines()[-1])
    return modules


def among(modules: Collection[str], packages: Collection[str]) -> list[str]:
    """Those of ``modules`` that are in one of ``packages``."""
    return [name for name in modules if any(name == package or name.startswith(f"{package}.") for package in packages)]


def test_declaring_functions_loads_nothing_that_plans_or_runs_them() -> None:
    running = ("eventflow.plan", "eventflow.policy", "eventflow.runtime", "eventflow.run", "eventflow.cli")
    modules = modules_after(DECLARATIONS)
    assert (
        among(modules, [*NEVER, *running, "eventflow_local", "asyncio", "anyio", "click", "uvicorn", "sqlite3"]) == []
    )


@pytest.mark.parametrize("name", ["on_http", "on_s3", "on_schedule", "on_sns", "on_eventbridge", "function", "to_sqs"])
def test_a_decorator_alone_loads_no_event_model(name: str) -> None:
    assert among(modules_after(f"from eventflow import {name}"), ["pydantic", "pydantic_core"]) == []


def test_no_event_model_is_built_before_it_is_used() -> None:
    code = (
        "import eventflow\n"
        "from eventflow.events import EventModel\n"
        "for name in eventflow.__all__: getattr(eventflow, name)\n"
        "def below(model): return [found for each in model.__subclasses__() for found in (each, *below(each))]\n"
        "print([model.__name__ for model in below(EventModel) if model.__pydantic_complete__])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_serving_http_loads_nothing_of_other_sources(tmp_path: Path) -> None:
    modules = modules_when_ready(HTTP_APP, tmp_path)
    sources = ("dynamodb", "eventbridge", "kafka", "kinesis", "s3", "schedule", "sns", "sqs")
    services = (
        "queues",
        "streams",
        "tables",
        "kafka",
        "buckets",
        "bucket_watch",
        "topics",
        "buses",
        "schedules",
        "logs",
    )
    others = [f"eventflow.events.{source}" for source in sources]
    others += [f"eventflow_local.{service}" for service in services]
    others += ["eventflow.runtime.queues", "eventflow.runtime.streams"]
    others += ["eventflow.runtime.http.websockets", "eventflow.events.websocket", "websockets"]
    others += ["eventflow.policy.filtering", "eventflow.policy.patterns", "eventflow.policy.schedules", "tomllib"]
    assert "eventflow_local.event_queue" in modules
    assert among(modules, [*NEVER, *others]) == []


def test_serving_a_queue_loads_nothing_of_streams_and_buckets(tmp_path: Path) -> None:
    modules = modules_when_ready(QUEUE_APP, tmp_path)
    assert "eventflow.runtime.queues.poller" in modules
    assert (
        among(modules, [*NEVER, "eventflow.runtime.streams", "eventflow_local.logs", "eventflow_local.buckets"]) == []
    )


def test_collecting_garbage_goes_on_once_everything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(COLLECTING_APP)
    done = subprocess.run(
        [sys.executable, "-m", "eventflow", "invoke", "app.py", "collecting"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])},
    )
    assert json.loads(done.stdout) is True
