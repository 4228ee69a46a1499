"""``TestApp``: a whole app on the embedded environment, in memory, on virtual time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import anyio

from eventflow.app import App
from eventflow.model.destinations import Service
from eventflow.model.message_queues import MqEngine
from eventflow.plan.environment import Environment
from eventflow.run.adapters import Adapters
from eventflow.run.opening import open_plan
from eventflow.runtime.callers import Callers
from eventflow.runtime.functions import subject_of
from eventflow.runtime.http.app import HttpApp
from eventflow.runtime.stopping import StopSignal
from eventflow.runtime.supervisor import Supervisor
from eventflow.testing.callers import ResponseBucket, TestBot, TestSkill, TestStack, TestUserPool
from eventflow.testing.edge import OriginCall, TestDistribution, example_distribution
from eventflow.testing.faults import FaultyAdapter, Script
from eventflow.testing.history import History, InvocationHistory
from eventflow.testing.http_client import AppClient
from eventflow.testing.own_task import OwnTask
from eventflow.testing.resources import (
    TestBucket,
    TestBus,
    TestCollection,
    TestMessageQueue,
    TestQueue,
    TestStream,
    TestTable,
    TestTopic,
    as_body,
)
from eventflow.testing.virtual_time import START, VirtualClock, VirtualTimeLoop
from eventflow.testing.websocket_client import ManagementClient, WebSocketClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from eventflow.model.outcome import Outcome
    from eventflow.ports import Adapter
    from eventflow.triggers._engines import MqEngineName

LONGEST_SECONDS = 15 * 24 * 3600.0
"""How far ``settle`` goes: past the longest a queue may keep a message."""


class NotSettledError(AssertionError):
    """Something still waits, and would for ever; the message says what."""


class TestApp:
    """Run an app in a test: memory store, virtual clock, nothing to install or clean up. ::

        async def test_orders() -> None:
            async with TestApp(shop) as app:
                await app.sqs("orders").send({"id": "1", "total": 9.5})
                await app.settle()
                assert app.invocations("fulfil")[0].outcome.ok

    ``app`` is an App, a module, a marked function, or several. ``options`` are the embedded environment's, e.g.
    ``{"queues": {"orders": {"visibility_timeout_seconds": 5}}}``. ``faults`` are scripts by resource, see
    :mod:`eventflow.testing.faults`. ``jitter`` (0 to 1) is what every backoff draws. ``http`` takes what custom
    resources answer.
    Must be entered on a VirtualTimeLoop: see :func:`eventflow.testing.run`.
    """

    __test__ = False

    def __init__(
        self,
        app: App | ModuleType | Callable[..., Any] | Iterable[Callable[..., Any]],
        *,
        environment: Environment | None = None,
        options: Mapping[str, Any] | None = None,
        faults: Mapping[str, Script] | None = None,
        jitter: float = 0.0,
        http: ResponseBucket | None = None,
    ) -> None:
        environment = environment or Environment()
        options = {**environment.options, **(options or {}), "data": "memory"}
        self._app = _as_app(app)
        self._environment = replace(environment, options=options)
        self._faults = faults
        self._jitter = jitter
        self._bucket = http or ResponseBucket()
        self._stop = StopSignal()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualTimeLoop):
            raise RuntimeError(
                f"TestApp needs a VirtualTimeLoop, this is a {type(loop).__name__}: "
                "use eventflow.testing.run(main); docs/testing.md says how pytest and unittest get one"
            )
        self._loop = loop
        self._clock = VirtualClock()
        self._history = History(START)
        self._task = OwnTask(self._running())
        await self._task.enter()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._task.leave()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        plan = self._app.freeze(self._environment)
        async with AsyncExitStack() as stack:
            adapters = Adapters(self._environment, clock=self._clock, wrap=self._wrap)
            await stack.enter_async_context(adapters)
            self._opened = await stack.enter_async_context(open_plan(plan, adapters))
            self.supervisor = Supervisor(
                plan,
                self._opened,
                clock=self._clock,
                random=lambda: self._jitter,
                drain_seconds=0,
                observer=self._history.observe,
                http=self._bucket,
            )
            await stack.enter_async_context(self.supervisor.started(self._stop))
            self._callers = Callers(self.supervisor.functions)
            stack.callback(self._callers.abandon)
            self.served = HttpApp(
                plan,
                self.supervisor.functions,
                accept=self.supervisor.event_path.accept,
                metrics=self.supervisor.metrics,
                readiness=lambda: self.supervisor.readiness.problems,
                clock=self._clock,
            )
            self.http = AppClient(self.served)
            yield

    def _wrap(self, adapter: Adapter) -> Adapter:
        self._adapter = adapter
        return FaultyAdapter(adapter, self._faults) if self._faults else adapter

    # Resources

    def sqs(self, queue: str) -> TestQueue:
        """A queue: send to it, or receive what arrived."""
        return TestQueue(self._adapter, Service.SQS, queue)

    def sns(self, topic: str) -> TestTopic:
        """A topic to publish to."""
        return TestTopic(self._adapter, Service.SNS, topic)

    def eventbridge(self, bus: str = "default") -> TestBus:
        """A bus to put events on."""
        return TestBus(self._adapter, Service.EVENTBRIDGE, bus)

    def s3(self, bucket: str) -> TestBucket:
        """A bucket to put objects into."""
        return TestBucket(self._adapter, Service.S3, bucket)

    def kinesis(self, stream: str) -> TestStream:
        """A stream: put records, or read them."""
        return TestStream(self._adapter, Service.KINESIS, stream)

    def kafka(self, topic: str) -> TestStream:
        """A topic: put records, or read them."""
        return TestStream(self._adapter, Service.KAFKA, topic)

    def dynamodb(self, table: str) -> TestTable:
        """A table: put and delete items."""
        return TestTable(self._adapter, Service.DYNAMODB, table)

    def mq(self, queue: str, *, engine: MqEngineName) -> TestMessageQueue:
        """A queue of RabbitMQ or ActiveMQ: send to it, or receive what arrived. ``queue::virtual_host`` for a queue on
        another virtual host than ``/``."""
        return TestMessageQueue(self._adapter, MqEngine(engine).service, queue)

    def documentdb(self, collection: str) -> TestCollection:
        """A collection, ``database.collection``: change its documents."""
        return TestCollection(self._adapter, Service.DOCUMENTDB, collection)

    # Callers

    def cognito(self, user_pool: str) -> TestUserPool:
        """A user pool, whose triggers are called."""
        return TestUserPool(self._callers, Service.COGNITO, user_pool)

    def lex(self, bot: str) -> TestBot:
        """A Lex V2 bot, whose code hooks are called."""
        return TestBot(self._callers, Service.LEX, bot)

    def alexa(self, skill_id: str) -> TestSkill:
        """An Alexa skill, to speak to."""
        return TestSkill(self._callers, Service.ALEXA, skill_id)

    def cloudformation(self, topic: str) -> TestStack:
        """A custom resource whose ``ServiceToken`` is a topic, or a function of the app."""
        if topic in self.supervisor.functions:
            return TestStack(partial(self.invoke_async, topic), self._bucket, topic)
        return TestStack(self.sns(topic).publish, self._bucket, topic)

    def cloudfront(self, distribution: str, origin: Callable[[OriginCall], Any] | None = None) -> TestDistribution:
        """A CloudFront distribution, to send requests to. ``origin`` is what answers behind it, ``async`` or not: it
        takes an :class:`OriginCall` and returns an :class:`HttpResponse`; without one, every path is an empty page.

        The distribution is the environment's, or one in front of ``http://origin.example``.
        """
        known = self._environment.distributions.get(distribution)
        return TestDistribution(self.supervisor, self._callers, known or example_distribution(distribution), origin)

    # Connections

    def websocket(
        self, path: str = "/", *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> WebSocketClient:
        """A client of the WebSocket API, connected inside ``async with``; a query string may be part of ``path``."""
        return WebSocketClient(self.served, path, headers=headers or {}, subprotocols=subprotocols)

    @property
    def connections(self) -> ManagementClient:
        """Stands in for an SDK's ``apigatewaymanagementapi`` client in the functions of the app."""
        return ManagementClient(self.served, self._loop)

    # Invoking

    async def invoke(self, function_name: str, event: Any = None) -> Outcome:
        """Invoke a function synchronously with an event: JSON values, or an event model.

        Raises FunctionNotFoundError.
        """
        function = self.supervisor.functions.find(function_name)
        wire = event.to_wire() if hasattr(event, "to_wire") else event
        entry = function.entry_for(wire)
        return await entry.invoke(subject_of(entry, wire))

    async def invoke_async(self, function_name: str, event: Any = None) -> str:
        """Invoke a function asynchronously (``InvocationType: Event``); returns the request id."""
        wire = event.to_wire() if hasattr(event, "to_wire") else event
        return await self.supervisor.event_path.accept(function_name, as_body(wire))

    def invocations(self, function_name: str) -> tuple[InvocationHistory, ...]:
        """What ran of a function so far, in the order the invocations ended. Raises FunctionNotFoundError."""
        self.supervisor.functions.find(function_name)  # else a misspelt name would prove that nothing ran
        return self._history.of(function_name)

    # Time

    def time(self) -> float:
        """The virtual wall clock, in epoch seconds."""
        return self._clock.time()

    async def advance(self, seconds: float) -> None:
        """Let virtual time pass, and everything that is due in it happen."""
        await anyio.sleep(seconds)
        await self._loop.quiet()

    async def settle(self, *, within_seconds: float = LONGEST_SECONDS) -> None:
        """Go on until nothing waits, runs, or is scheduled to be tried again, jumping over every delay.

        Schedules do not count: they never end. Messages in queues that no function reads stay.
        Raises NotSettledError if something is left after ``within_seconds`` of virtual time.
        """
        give_up_at = self._loop.time() + within_seconds
        while True:
            next_timer = await self._loop.quiet()
            pending = await self.pending()
            if not pending:
                return
            if next_timer is None or self._loop.time() >= give_up_at:
                raise NotSettledError(", ".join(f"{name}: {count}" for name, count in pending.items()))
            await anyio.sleep(next_timer)

    async def pending(self) -> Mapping[str, int]:
        """What is not done yet, by what it waits in; empty when all is. Work in hand is told first, and only
        without any is the environment asked what waits there."""
        return self._in_hand() or await self._waiting()

    def _in_hand(self) -> Mapping[str, int]:
        supervisor = self.supervisor
        found = {
            "events held": supervisor.event_path.statistics().held,
            "records in flight": sum(poller.in_flight for poller in supervisor.queue_pollers),
            "streams at work": sum(not poller.idle for poller in supervisor.stream_pollers),
            "WebSocket messages in flight": self.served.websockets.in_flight if self.served.websockets else 0,
        }
        return {name: count for name, count in found.items() if count}

    async def _waiting(self) -> Mapping[str, int]:
        opened = self._opened
        found = {"events stored": (await opened.event_queue.statistics()).total}
        for sources in (opened.notifications, opened.queues, opened.streams):
            for plan, source in sources:
                resource = plan.endpoint.trigger.resource if plan.endpoint.trigger else plan.subscription.name
                found[resource] = await source.backlog()
        return {name: count for name, count in found.items() if count}


def _as_app(app: App | ModuleType | Callable[..., Any] | Iterable[Callable[..., Any]]) -> App:
    if isinstance(app, App):
        return app
    if isinstance(app, ModuleType):
        found = getattr(app, "app", None)
        return found if isinstance(found, App) else App.from_module(app)
    return App([app] if callable(app) else app)
