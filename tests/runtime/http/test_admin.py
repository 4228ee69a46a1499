from __future__ import annotations

import re
import subprocess
import sys

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from eventflow.runtime.exposition import Exposition
from eventflow.runtime.metrics import DropReason, Metrics
from eventflow.triggers.function import function
from eventflow.triggers.http import on_http
from tests.runtime.http.harness import running


@on_http("GET /work")
async def work() -> str:
    return "done"


@on_http("GET /livez")
@on_http("GET /metrics")
async def own() -> str:
    return "my own"


@on_http("$default")
async def anything() -> str:
    return "default"


@on_http("GET /{page}")
async def page(page: str) -> str:
    return page


Sample = tuple[str, frozenset[tuple[str, str]]]


def sample(name: str, **labels: str) -> Sample:
    return f"eventflow_{name}", frozenset(labels.items())


def samples_of(text: bytes) -> dict[Sample, float]:
    """The value of every sample of ours."""
    families = text_string_to_metric_families(text.decode())
    found = [item for family in families for item in family.samples if item.name.startswith("eventflow_")]
    return {(item.name, frozenset(item.labels.items())): item.value for item in found}


async def test_a_process_that_answers_is_live_whatever_its_problems() -> None:
    with running(work, problems={"sqs:orders": "cannot be reached"}) as here:
        reply = await here.client.get("/livez")
    assert (reply.status, reply.body, reply.header("content-type")) == (200, b"ok\n", "text/plain; charset=utf-8")


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
async def test_it_is_ready_while_nothing_has_a_problem(path: str) -> None:
    with running(work) as here:
        assert (await here.client.get(path)).status == 200
    with running(work, problems={"sqs:orders": "cannot be reached"}) as here:
        reply = await here.client.get(path)
    assert (reply.status, reply.body) == (503, b"not ready\n")


@pytest.mark.parametrize("query", ["verbose", "verbose=", "verbose=1"])
async def test_the_problems_are_listed_when_asked(query: str) -> None:
    with running(work, problems={"sqs:orders": "cannot be reached", "kafka:clicks": "no leader"}) as here:
        reply = await here.client.get("/readyz", query=query)
    assert reply.body == b"[-]sqs:orders: cannot be reached\n[-]kafka:clicks: no leader\nnot ready\n"


async def test_a_route_with_the_very_path_wins() -> None:
    with running(own) as here:
        assert (await here.client.get("/livez")).body == b"my own"
        assert (await here.client.get("/metrics")).body == b"my own"
        assert (await here.client.get("/readyz")).body == b"ok\n"


async def test_a_route_that_takes_any_path_does_not() -> None:
    with running(page, anything) as here:
        assert (await here.client.get("/livez")).body == b"ok\n"
        assert (await here.client.get("/other")).body == b"other"


async def test_the_pages_can_be_left_out() -> None:
    with running(anything, admin=False) as here:
        assert (await here.client.get("/livez")).body == b"default"


async def test_other_methods_are_not_allowed() -> None:
    with running(work) as here:
        reply = await here.client.post("/livez")
        assert (reply.status, reply.header("allow")) == (405, "GET, HEAD")
        assert (await here.client.request("HEAD", "/livez")).status == 200


async def test_metrics_count_invocations_by_outcome() -> None:
    @on_http("GET /fail")
    async def fail() -> None:
        raise ValueError

    @on_http("GET /slow")
    @function(timeout_seconds=1)
    async def slow() -> None:
        await anyio.sleep(2)

    @on_http("GET /never")
    @function(reserved_concurrency=0)
    async def never() -> None: ...

    with running(work, fail, slow, never) as here:
        for path in ("/work", "/work", "/fail", "/slow", "/never"):
            await here.client.get(path)
        found = samples_of((await here.client.get("/metrics")).body)
    invocations = {key: value for key, value in found.items() if key[0] == "eventflow_invocations_total" and value}
    assert invocations == {
        sample("invocations_total", function="work", source="http", outcome="success"): 2,
        sample("invocations_total", function="fail", source="http", outcome="error"): 1,
        sample("invocations_total", function="slow", source="http", outcome="timeout"): 1,
    }
    assert found[sample("throttles_total", function="never", source="http")] == 1
    assert found[sample("invocation_duration_seconds_count", function="slow", source="http")] == 1
    assert found[sample("invocation_duration_seconds_sum", function="slow", source="http")] == pytest.approx(1)


async def test_the_duration_histogram_is_cumulative() -> None:
    @on_http("GET /nap")
    async def nap() -> None:
        await anyio.sleep(0.03)

    with running(nap) as here:
        await here.client.get("/nap")
        found = samples_of((await here.client.get("/metrics")).body)
    name, labels = "invocation_duration_seconds_bucket", {"function": "nap", "source": "http"}
    counts = [found[sample(name, **labels, le=bound)] for bound in ("0.025", "0.05", "900.0", "+Inf")]
    assert counts == [0, 1, 1, 1]


async def test_an_invocation_that_asks_sees_itself_in_flight() -> None:
    seen: list[float] = []

    @on_http("GET /look")
    async def look() -> None:
        _, text = exposition[0].render()
        seen.append(float(re.findall(r'eventflow_inflight\{function="look"\} (\S+)', text.decode())[0]))

    exposition: list[Exposition] = []
    with running(look) as here:
        exposition.append(Exposition(here.metrics, here.functions))
        await here.client.get("/look")
    assert seen == [1.0]


def test_every_other_figure_has_its_name_and_labels() -> None:
    metrics = Metrics()
    metrics.retries["f", "s3"] = 1
    metrics.dropped["f", "s3", DropReason.NO_DESTINATION] = 2
    metrics.filtered["f", "sqs"] = 3
    metrics.destination_deliveries["f", "sqs:audit"] = 4
    metrics.destination_failures["f", "sqs:audit"] = 5
    metrics.dead_letters["f"] = 6
    metrics.batch_records["f", "sqs"] = 70
    metrics.batches["f", "sqs"] = 7
    metrics.iterator_age_seconds["f", "shard-0"] = 8.5
    metrics.offset_lag["f", "kafka:clicks"] = 9
    metrics.events_received["f"] = 10
    _, text = Exposition(metrics, {}).render()
    assert samples_of(text) == {
        sample("retries_total", function="f", source="s3"): 1,
        sample("dropped_records_total", function="f", source="s3", reason="no_destination"): 2,
        sample("filtered_records_total", function="f", source="sqs"): 3,
        sample("destination_deliveries_total", function="f", destination="sqs:audit"): 4,
        sample("destination_failures_total", function="f", destination="sqs:audit"): 5,
        sample("dlq_records_total", function="f"): 6,
        sample("batch_records_sum", function="f", source="sqs"): 70,
        sample("batch_records_count", function="f", source="sqs"): 7,
        sample("iterator_age_seconds", function="f", partition="shard-0"): 8.5,
        sample("offset_lag", function="f", resource="kafka:clicks"): 9,
        sample("async_events_received_total", function="f"): 10,
    }


async def test_metrics_speak_openmetrics_when_asked() -> None:
    with running(work) as here:
        reply = await here.client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert (reply.header("content-type") or "").startswith("application/openmetrics-text")
    assert reply.body.endswith(b"# EOF\n")


def test_serving_does_not_load_the_metrics_library() -> None:
    code = "import sys, eventflow.runtime.http.app; sys.exit('prometheus_client' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
