"""What the parts of one mapping's poller share."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Protocol

from eventflow.runtime.streams.attempts import RetryLimits
from eventflow.runtime.streams.failure_records import FailureRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.events._codec import RecordCodec
    from eventflow.model.destinations import Destination, OutboundMessage
    from eventflow.model.records import StreamRecord
    from eventflow.plan.plan import StreamPlan
    from eventflow.ports import Clock, StreamSource
    from eventflow.runtime.admission import Slice
    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.metrics import Metrics
    from eventflow.runtime.readiness import Report


class FailureSink(Protocol):
    """Takes what an event source mapping gives up. The asynchronous event path implements it."""

    async def deliver(self, function_name: str, destination: Destination, messages: Sequence[OutboundMessage]) -> None:
        """Hand messages to a destination: when this returns they are there, or kept durably until they are, or
        refused by it for good and counted as dropped. Raises UnavailableError if none of that is possible."""


class MappingRun:
    """One mapping while it runs: what it reads, what it calls, and where failures go.

    ``key`` is function and source, under which metrics are counted; ``part`` is how readiness and log lines name
    the mapping.
    """

    def __init__(
        self,
        plan: StreamPlan,
        source: StreamSource,
        function: RunningFunction,
        *,
        clock: Clock,
        metrics: Metrics,
        failures: FailureSink,
        random: Callable[[], float],
        report: Report,
    ) -> None:
        service, resource = plan.subscription.service, f"{plan.subscription.service}:{plan.subscription.name}"
        self.codec: RecordCodec[StreamRecord] = plan.codec
        self.filters = plan.filters
        self.mapping = plan.mapping
        self.per_record = plan.endpoint.per_record
        self.resource = resource
        self.source = source
        self.identity = source.identity
        self.function = function
        self.entry = function.opened(plan.endpoint, source.identity)
        self.clock = clock
        self.metrics = metrics
        self.failures = failures
        self.random = random
        self.report = report
        self.key = (function.name, self.entry.source)
        self.part = f"{function.name} <- {resource}"
        self.limits = RetryLimits.of(plan.mapping, service)
        self.failure_records = FailureRecords(
            service=service,
            identity=source.identity,
            codec=plan.codec,
            function_arn=function.arn,
            mapping_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{function.arn} {resource}")),
        )

    @property
    def permits(self) -> Slice:
        """What the function's concurrency allows."""
        return self.function.invoker.permits

    def next_request_id(self) -> str:
        return self.function.invoker.environment.next_request_id()

    def size(self, record: StreamRecord) -> int:
        """Bytes of the record in an event; 0 if it cannot be decoded, for then building its event fails, too."""
        try:
            return self.codec.sizes((record,))[0]
        except Exception:  # noqa: BLE001 (a record that cannot be decoded fails where others do)
            return 0

    def sizes(self, records: Sequence[StreamRecord]) -> list[int]:
        """The same of many."""
        try:
            return self.codec.sizes(records)
        except Exception:  # noqa: BLE001 (which of them cannot be decoded?)
            return [self.size(record) for record in records]

    def size_together(self, records: Sequence[StreamRecord]) -> int:
        """The same of all of them, or a close upper bound."""
        try:
            return self.codec.size_together(records)
        except Exception:  # noqa: BLE001 (likewise)
            return sum(self.sizes(records))
