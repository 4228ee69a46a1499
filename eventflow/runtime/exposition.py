"""The figures of a run in Prometheus' text format. Imported only when somebody asks for them."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from eventflow.runtime.metrics import DURATION_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import Metric

    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.metrics import InvocationFigures, Metrics


class Exposition(Collector):
    """Renders the metrics of a run. It keeps no figures of its own."""

    def __init__(self, metrics: Metrics, functions: Mapping[str, RunningFunction]) -> None:
        self._metrics = metrics
        self._functions = functions
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and text, in the format that the ``Accept`` header prefers."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every family, from the plain integers of the run."""
        yield from self._invocations()
        yield from self._records()
        yield from self._asynchronous()
        yield self._in_flight()

    def _invocations(self) -> Iterator[Metric]:
        labels = ["function", "source"]
        total = CounterMetricFamily(
            "eventflow_invocations", "Invocations that ran, by what became of them.", labels=[*labels, "outcome"]
        )
        throttles = CounterMetricFamily(
            "eventflow_throttles", "Invocations refused because no permit was free.", labels=labels
        )
        duration = HistogramMetricFamily(
            "eventflow_invocation_duration_seconds", "How long handlers ran.", labels=labels
        )
        for key, figures in self._metrics.invocations.items():
            outcomes = {"success": figures.succeeded, "error": figures.failed, "timeout": figures.timed_out}
            for outcome, count in outcomes.items():
                total.add_metric([*key, outcome], count)
            throttles.add_metric(key, figures.throttled)
            duration.add_metric(key, _buckets(figures), figures.seconds)
        yield from (total, throttles, duration)

    def _records(self) -> Iterator[Metric]:
        metrics = self._metrics
        labels = ["function", "source"]
        batches = SummaryMetricFamily("eventflow_batch_records", "Records per batch.", labels=labels)
        for key, count in metrics.batches.items():
            batches.add_metric(key, count, metrics.batch_records[key])
        yield batches
        yield _counter(
            "eventflow_filtered_records", "Records that no filter matched.", labels, metrics.filtered.items()
        )
        age = GaugeMetricFamily(
            "eventflow_iterator_age_seconds", "Age of the last record handed over.", labels=["function", "partition"]
        )
        for (function, partition), seconds in metrics.iterator_age_seconds.items():
            age.add_metric([function, partition], seconds)
        lag = GaugeMetricFamily("eventflow_offset_lag", "Records not committed yet.", labels=["function", "resource"])
        for (function, resource), records in metrics.offset_lag.items():
            lag.add_metric([function, resource], records)
        yield from (age, lag)

    def _asynchronous(self) -> Iterator[Metric]:
        metrics = self._metrics
        by_source, by_destination = ["function", "source"], ["function", "destination"]
        yield _counter("eventflow_retries", "Invocations that were tried again.", by_source, metrics.retries.items())
        yield _counter(
            "eventflow_dropped_records",
            "Records that left without being handled or sent anywhere, by reason.",
            [*by_source, "reason"],
            metrics.dropped.items(),
        )
        yield _counter(
            "eventflow_destination_deliveries",
            "Records that a destination took.",
            by_destination,
            metrics.destination_deliveries.items(),
        )
        yield _counter(
            "eventflow_destination_failures",
            "Attempts that a destination did not take.",
            by_destination,
            metrics.destination_failures.items(),
        )
        dead = [((function,), count) for function, count in metrics.dead_letters.items()]
        yield _counter("eventflow_dlq_records", "Events sent to a dead-letter queue.", ["function"], dead)
        received = [((function,), count) for function, count in metrics.events_received.items()]
        yield _counter("eventflow_async_events_received", "Asynchronous events accepted.", ["function"], received)

    def _in_flight(self) -> Metric:
        gauge = GaugeMetricFamily("eventflow_inflight", "Invocations running now.", labels=["function"])
        for name, function in self._functions.items():
            gauge.add_metric([name], function.invoker.deadlines.watched)
        return gauge


def _buckets(figures: InvocationFigures) -> list[tuple[str, float]]:
    """Cumulative counts under their upper bounds."""
    bounds = [*(str(bound) for bound in DURATION_BOUNDS), "+Inf"]
    return list(zip(bounds, accumulate(figures.buckets), strict=True))


def _counter(name: str, documentation: str, labels: list[str], counts: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=labels)
    for key, count in counts:
        family.add_metric(key, count)
    return family
