"""The functions of a run: an invoker each, and the entries that sources call them through."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from eventflow.errors import FunctionNotFoundError
from eventflow.events import codec_for
from eventflow.model.context import FunctionEnvironment
from eventflow.model.destinations import HTTP_SERVICES, Service
from eventflow.plan.endpoints import opened_endpoint
from eventflow.plan.http_request import HttpRequest
from eventflow.plan.record_batches import batch_endpoint
from eventflow.runtime.invoker import NO_ANSWERS, Answers, Entry, Invoker, Observer
from eventflow.runtime.request_ids import request_ids

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from eventflow.model.records import SourceIdentity
    from eventflow.plan.endpoint import Endpoint
    from eventflow.plan.plan import FunctionPlan, Middleware, Plan
    from eventflow.ports import Clock, HttpClient
    from eventflow.runtime.admission import Admission
    from eventflow.runtime.metrics import Metrics


class RunningFunction:
    """One function of a run. ``arn`` is unqualified; asynchronous records name it ``qualified_arn``."""

    def __init__(self, plan: FunctionPlan, invoker: Invoker) -> None:
        self.plan = plan
        self.name = plan.name
        self.settings = plan.definition.settings
        self.invoker = invoker
        self.arn = invoker.environment.function_arn
        self.qualified_arn = f"{self.arn}:$LATEST"
        self._entries = {source: invoker.entry(whole_endpoint(endpoint)) for source, endpoint in plan.endpoints.items()}

    def entry_of(self, source: str, wire: Any) -> Entry:
        """The entry for an event that came from ``source`` once, though the function may have lost that trigger."""
        return self._entries.get(source) or self.entry_for(wire)

    def opened(self, endpoint: Endpoint, identity: SourceIdentity) -> Entry:
        """The entry for what a poller reads from an open source: batches, or single records."""
        return self.invoker.entry(opened_endpoint(endpoint, identity), identity)

    def entry_for(self, wire: Any) -> Entry:
        """The entry for an event that came through the Invoke API: the source that recognises it, else the
        function's first."""
        if len(self._entries) > 1 and isinstance(wire, dict):
            for source, entry in self._entries.items():
                if codec_for(Service(source)).recognises(wire):
                    return entry
        return next(iter(self._entries.values()))


def subject_of(called: Entry | Endpoint, wire: Any) -> Any:
    """What an entry or endpoint is called with, from an event's decoded JSON."""
    return HttpRequest.from_wire(wire) if called.source in HTTP_SERVICES and isinstance(wire, dict) else wire


class Functions(Mapping[str, RunningFunction]):
    """All functions of a run, by name."""

    def __init__(
        self,
        plan: Plan,
        *,
        clock: Clock,
        monotonic: Any,
        admission: Admission,
        metrics: Metrics,
        threads: Executor,
        state: Any = None,
        observer: Observer | None = None,
        http: HttpClient | None = None,
    ) -> None:
        """``http`` is what answers are sent with that do not go back to the caller; the standard library's unless
        given."""
        self._environment = plan.environment
        next_request_id = request_ids()
        stream = f"{datetime.fromtimestamp(clock.time(), tz=UTC):%Y/%m/%d}/[$LATEST]{os.urandom(16).hex()}"
        answers = answers_of(plan, http)
        self._functions: dict[str, RunningFunction] = {}
        for name, function in plan.functions.items():
            environment = FunctionEnvironment(
                function_name=name,
                function_arn=plan.environment.function_arn(name),
                memory_limit_in_mb=str(function.definition.settings.memory_limit_mb),
                log_group_name=f"/aws/lambda/{name}",
                log_stream_name=stream,
                clock=monotonic,
                next_request_id=next_request_id,
                state=state,
            )
            invoker = Invoker(
                function.definition,
                environment,
                permits=admission.slice_of(name),
                metrics=metrics,
                threads=threads,
                middleware=plan.middleware,
                observer=observer,
                answers=answers,
            )
            self._functions[name] = RunningFunction(function, invoker)

    def __getitem__(self, name: str) -> RunningFunction:
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def find(self, name: str) -> RunningFunction:
        """The function called ``name``; raises FunctionNotFoundError."""
        found = self._functions.get(name)
        if found is None:
            raise FunctionNotFoundError(f"{self._environment.function_arn(name)}:$LATEST")
        return found

    def close(self) -> None:
        """Stop watching every deadline."""
        for function in self._functions.values():
            function.invoker.close()


def answers_of(plan: Plan, http: HttpClient | None) -> Mapping[str, Answers]:
    """Whom to tell some other way than by the outcome: CloudFormation. ``http`` is the standard library's unless
    given."""
    triggers = [trigger for function in plan.functions.values() for trigger in function.definition.triggers]
    if all(trigger.service is not Service.CLOUDFORMATION for trigger in triggers):
        return NO_ANSWERS
    from eventflow.runtime.custom_resources import CustomResourceAnswers  # an app without custom resources
    from eventflow.runtime.http.client import StandardHttpClient  # starts without them

    client = http or StandardHttpClient()
    trusted = frozenset(plan.environment.custom_resource_response_hosts)

    def answer(invoker: Invoker) -> Middleware:
        return CustomResourceAnswers(client, trusted, invoker.deadlines, invoker.timeout_seconds).around

    return {Service.CLOUDFORMATION: answer}


def whole_endpoint(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` for an event that arrives whole, though its handler may want the records one by one."""
    return batch_endpoint(endpoint) if endpoint.per_record else endpoint
