"""What the parts of one queue mapping share."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING

from eventflow.runtime.queues.leases import Leases
from eventflow.runtime.settle import QueueSettler

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.plan.plan import QueuePlan
    from eventflow.ports import Clock, QueueSource
    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.metrics import Metrics
    from eventflow.runtime.readiness import Report
    from eventflow.runtime.streams.mapping_run import FailureSink


class QueueMappingRun:
    """One event source mapping while it runs: what it reads, what it calls, and how far it goes.

    ``size`` is the most records that one poller holds; ``most_pollers`` is the mapping's own limit, ``None``
    without one. A poller of a per-record handler runs a whole batch side by side, so it counts as many.
    """

    def __init__(
        self,
        plan: QueuePlan,
        source: QueueSource,
        function: RunningFunction,
        *,
        clock: Clock,
        metrics: Metrics,
        failures: FailureSink,
        random: Callable[[], float],
        report: Report,
    ) -> None:
        trigger = plan.endpoint.trigger
        self.plan = plan
        self.source = source
        self.clock = clock
        self.metrics = metrics
        self.failures = failures
        self.random = random
        self.report = report
        self.function_name = function.name
        self.entry = function.opened(plan.endpoint, source.identity)
        self.permits = function.invoker.permits
        self.key = (function.name, str(plan.subscription.service))
        self.resource = trigger.resource if trigger else plan.subscription.name
        self.part = f"{function.name} <- {self.resource}"
        self.function_arn = function.arn
        self.mapping_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{function.arn} {self.resource}"))
        self.leases = Leases(source)
        self.settler = QueueSettler(source, self.leases, random=random)
        self.per_record = plan.endpoint.per_record
        self.size = plan.mapping.batch.batch_size
        self.most_pollers = plan.mapping.maximum_concurrency
        if self.per_record and self.most_pollers is not None:
            pollers = math.ceil(self.most_pollers / self.size)
            self.size, self.most_pollers = self.most_pollers // pollers, pollers
