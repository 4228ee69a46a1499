"""A second process that sends events of every kind, and writes down which were accepted."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TextIO

import anyio

from eventflow import Environment, UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.ports import DestinationSink
from eventflow.run.adapters import Adapters
from eventflow.run.runner import SystemClock

Send = Callable[[str], Awaitable[None]]


class Senders:
    """One way to send per kind of event; each returns when its event is accepted."""

    def __init__(self, adapters: Adapters, data: Path, port: int) -> None:
        self._adapters = adapters
        self._data = data
        self._port = port

    async def all(self) -> dict[str, Send]:
        sinks = {service: await self._sink(service, name) for service, name in SINKS.items()}
        return {
            "sqs": partial(self._plain, await self._sink(Service.SQS, "records")),
            "sqs-batch": partial(self._plain, await self._sink(Service.SQS, "batches")),
            "sqs-fifo": partial(self._fifo, await self._sink(Service.SQS, "ordered.fifo")),
            "sns": partial(self._plain, sinks[Service.SNS]),
            "eventbridge": partial(self._event, sinks[Service.EVENTBRIDGE]),
            "s3": partial(self._object, sinks[Service.S3]),
            "s3-file": self._file,
            "kinesis": partial(self._keyed, sinks[Service.KINESIS]),
            "dynamodb": partial(self._item, sinks[Service.DYNAMODB]),
            "kafka": partial(self._keyed, sinks[Service.KAFKA]),
            "invoke-fails": partial(self._invoke, "fails"),
            "invoke-succeeds": partial(self._invoke, "succeeds"),
        }

    async def _sink(self, service: Service, name: str) -> DestinationSink:
        adapter = await self._adapters.serving(service)
        return await adapter.sink(Destination(service, name))

    async def _plain(self, sink: DestinationSink, id: str) -> None:
        await sink.send(OutboundMessage(body=id.encode()))

    async def _fifo(self, sink: DestinationSink, id: str) -> None:
        await sink.send(OutboundMessage(body=id.encode(), group_id=id[-1], deduplication_id=id))

    async def _event(self, sink: DestinationSink, id: str) -> None:
        body = json.dumps({"id": id}).encode()
        await sink.send(OutboundMessage(body=body, source="crash.test", detail_type="Sent"))

    async def _object(self, sink: DestinationSink, id: str) -> None:
        await sink.send(OutboundMessage(body=b"x", key=id))

    async def _file(self, id: str) -> None:
        bucket = self._data / "s3" / "bucket"
        bucket.mkdir(parents=True, exist_ok=True)
        (bucket / id).write_text("x")

    async def _keyed(self, sink: DestinationSink, id: str) -> None:
        await sink.send(OutboundMessage(body=id.encode(), key=id[-1]))

    async def _item(self, sink: DestinationSink, id: str) -> None:
        await sink.send(OutboundMessage(body=json.dumps({"id": id}).encode()))

    async def _invoke(self, function_name: str, id: str) -> None:
        await asyncio.to_thread(self._post, function_name, id)

    def _post(self, function_name: str, id: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            path = f"/2015-03-31/functions/{function_name}/invocations"
            headers = {"X-Amz-Invocation-Type": "Event"}
            connection.request("POST", path, json.dumps({"id": id}), headers)
            status = connection.getresponse().status
        except OSError as exc:  # the server is being killed and restarted
            raise UnavailableError(f"function:{function_name}", str(exc)) from exc
        except http.client.HTTPException as exc:
            raise UnavailableError(f"function:{function_name}", repr(exc)) from exc
        finally:
            connection.close()
        if status != 202:
            raise UnavailableError(f"function:{function_name}", f"status {status}")


SINKS = {
    Service.SNS: "topic",
    Service.EVENTBRIDGE: "default",
    Service.S3: "bucket",
    Service.KINESIS: "stream",
    Service.DYNAMODB: "table",
    Service.KAFKA: "log",
}


async def send_for_ever(kind: str, send: Send, accepted: TextIO, run: str) -> None:
    """Send one event after the other; write down each one that was accepted, after it was."""
    for number in itertools.count():
        id = f"{run}-{kind}-{number}"
        try:
            await send(id)
        except UnavailableError:
            await anyio.sleep(0.05)
            continue
        accepted.write(f"{id}\n")
        accepted.flush()
        await anyio.sleep(0.01)


async def send_everything(data: Path, port: int, accepted: TextIO, run: str) -> None:
    """Send events of every kind until killed."""
    environment = Environment(options={"data": str(data)})
    async with Adapters(environment, clock=SystemClock()) as adapters, anyio.create_task_group() as tasks:
        for kind, send in (await Senders(adapters, data, port).all()).items():
            tasks.start_soon(send_for_ever, kind, send, accepted, run)


def main() -> None:
    """``python -m tests.crash.sender DATA PORT ACCEPTED RUN``."""
    data, port, path, run = sys.argv[1:]
    with Path(path).open("a") as accepted:
        anyio.run(send_everything, Path(data), int(port), accepted, run)


if __name__ == "__main__":
    main()
