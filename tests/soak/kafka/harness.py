"""A topic, its senders, a deployment that is never left alone, and the count."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from eventflow_kafka.logs import without_repeats
from tests.cloud.ledger import Ledger
from tests.cloud.serving import Deployment, Serving
from tests.contract.kafka_topics import administration, create_topic
from tests.servers.running import PrivateServer

FUNCTIONS: Final = ("each", "batches")
AHEAD: Final = 0.1
"""The share of the records that may wait when something happens, so that it happens under load."""
GROUP: Final = 100
SEND_SECONDS: Final = 120.0
STALLED_SECONDS: Final = 120.0
"""How long nothing may be handled before the run is given up."""
LOOK_SECONDS: Final = 0.1
LEAVE_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What became of the records in one function. ``disorder`` are records whose first success came after that of a
    later one of their key; ``repeated`` counts every success but the first."""

    handled: int
    missing: int
    disorder: int
    repeated: int
    processes: int

    @property
    def is_right(self) -> bool:
        return not (self.missing or self.disorder)

    def __str__(self) -> str:
        return (
            f"{self.handled:,} handled by {self.processes} processes, {self.missing} missing, "
            f"{self.disorder} out of order, {self.repeated:,} repeated"
        )


class Soak:
    """One run. ``directory`` gets the ledgers and the logs of every process."""

    def __init__(self, directory: Path, *, records: int, partitions: int, keys: int) -> None:
        self._directory = directory
        self._records = records
        self._partitions = partitions
        self._keys = keys
        self._topic = ""
        self._allowed = 0
        self._serving: list[Serving] = []
        self._sent: list[str] = []
        self._read: dict[str, tuple[int, int]] = {}

    def run(self, report: Callable[[str], None] = lambda what: None) -> dict[str, Count]:
        """Handle everything, come what may. What comes is in the order of ``steps``, each at a share of the records;
        ``report`` is told."""
        broker = PrivateServer("kafka")
        try:
            with ExitStack() as stack:
                deployment = self._deployment(broker)

                def join() -> None:
                    self._serving.append(stack.enter_context(deployment.serve()))

                def leave() -> None:
                    leaving = self._serving.pop(0)
                    leaving.process.send_signal(signal.SIGTERM)
                    if leaving.process.wait(timeout=LEAVE_SECONDS) != 0:
                        raise AssertionError(f"it did not leave in order:\n{leaving.log.read_text()[-4000:]}")

                def kill() -> None:
                    self._serving.pop(0).kill()

                def crash_broker() -> None:
                    broker.kill()
                    broker.restart()

                steps = (
                    (0.1, "a third member joins", join),
                    (0.2, "the first member leaves", leave),
                    (0.3, "another joins", join),
                    (0.4, "a member is killed", kill),
                    (0.5, "another joins", join),
                    (0.6, "the broker is killed and comes back", crash_broker),
                    (0.8, "a member leaves", leave),
                    (0.9, "another joins", join),
                )
                join()
                join()
                with self._load(broker):
                    for share, what, step in steps:
                        self._allowed = round((share + AHEAD) * self._records)
                        self._wait_for(round(share * self._records))
                        report(f"{self._progress():>9,} handled: {what}")
                        step()
                    self._allowed = self._records
                    self._wait_for(self._records)
                self._wait_for_the_last()
            return {name: self._count(name) for name in FUNCTIONS}
        finally:
            broker.close()

    def failures(self) -> int:
        """How many invocations failed."""
        return self._lines("failed")

    def _deployment(self, broker: PrivateServer) -> Deployment:
        address = broker.server.addresses["PLAINTEXT"]

        async def create() -> str:
            async with administration(broker.server) as admin:
                return await create_topic(admin, self._partitions)

        self._topic = asyncio.run(create())
        (self._directory / "eventflow.toml").write_text(f"""
            [environments.soak]
            data = "memory"
            [environments.soak.resources]
            "kafka:work" = "{self._topic}"
            [environments.soak.sources.kafka]
            adapter = "kafka"
            bootstrap_servers = "{address}"
            session_timeout_seconds = 6
        """)
        return Deployment(
            directory=self._directory,
            target="tests.soak.kafka.app",
            environment="soak",
            variables={"LEDGERS": str(self._directory)},
        )

    @contextmanager
    def _load(self, broker: PrivateServer) -> Iterator[None]:
        """Send the records that are allowed, those of a key in the order of their numbers, while the block runs."""
        stop = threading.Event()
        errors: list[BaseException] = []

        def send() -> None:
            try:
                asyncio.run(self._send(broker.server.addresses["PLAINTEXT"], stop))
            except BaseException as exc:  # noqa: BLE001 (raised below, in the thread that waits)
                errors.append(exc)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if errors:
            raise errors[0]

    async def _send(self, address: str, stop: threading.Event) -> None:
        options = {"acks": "all", "enable_idempotence": True, "request_timeout_ms": round(SEND_SECONDS * 1000)}
        with without_repeats():
            async with AIOKafkaProducer(bootstrap_servers=address, **options) as producer:
                await self._send_with(producer, stop)

    async def _send_with(self, producer: AIOKafkaProducer, stop: threading.Event) -> None:
        while len(self._sent) < self._records and not stop.is_set():
            first = len(self._sent)
            if first >= self._allowed:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            last = min(first + GROUP, self._allowed)
            group = [f"k{number % self._keys}-{number}" for number in range(first, last)]
            sending = [
                await producer.send(self._topic, body.encode(), key=body.partition("-")[0].encode()) for body in group
            ]
            await asyncio.gather(*sending)
            self._sent += group

    def _progress(self) -> int:
        """How many successes the slowest function has written down."""
        return min(self._lines(name) for name in FUNCTIONS)

    def _lines(self, name: str) -> int:
        """Counted without reading the same line twice."""
        path, before = self._directory / f"{name}.jsonl", self._read.get(name, (0, 0))
        if not path.exists():
            return 0
        with path.open("rb") as ledger:
            ledger.seek(before[0])
            new = ledger.read()
        self._read[name] = (before[0] + len(new), before[1] + new.count(b"\n"))
        return self._read[name][1]

    def _wait_for(self, lines: int) -> None:
        """Until so many successes are there. Raises AssertionError when nothing happens any more."""
        highest, changed_at = -1, time.monotonic()
        while (now := self._progress()) < lines:
            if now > highest:
                highest, changed_at = now, time.monotonic()
            if time.monotonic() - changed_at > STALLED_SECONDS:
                raise AssertionError(f"nothing was handled for {STALLED_SECONDS:g} s after {now:,}; {self._logs()}")
            time.sleep(LOOK_SECONDS)

    def _wait_for_the_last(self) -> None:
        """Until no record is missing, or nothing happens any more: the count tells."""
        give_up_at = time.monotonic() + STALLED_SECONDS
        while any(self._ledger(name).missing(self._sent) for name in FUNCTIONS) and time.monotonic() < give_up_at:
            time.sleep(1)

    def _ledger(self, name: str) -> Ledger:
        return Ledger(self._directory / f"{name}.jsonl")

    def _count(self, name: str) -> Count:
        ledger = self._ledger(name)
        missing = len(ledger.missing(self._sent))
        return Count(
            handled=len(self._sent) - missing,
            missing=missing + self._records - len(self._sent),
            disorder=len(ledger.disorder()),
            repeated=ledger.repeated(),
            processes=len(ledger.processes()),
        )

    def _logs(self) -> str:
        return "\n".join(serving.log.read_text()[-2000:] for serving in self._serving)
