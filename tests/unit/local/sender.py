"""Another process: sends into, or claims from, the environment in a directory, and says so.

Run as ``python sender.py <directory> <verb>``.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import anyio

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import QueuedEvent
from eventflow.ports import AdapterSettings
from eventflow_local import LocalAdapter


class _Clock:
    def time(self) -> float:
        return time.time()


async def main(directory: str, verb: str) -> None:
    settings = AdapterSettings(environment="local", options={"data": directory}, resources={}, clock=_Clock())
    async with LocalAdapter(settings) as adapter:
        if verb == "send":
            sink = await adapter.sink(Destination(Service.SQS, "orders"))
            for number in range(100):
                await sink.send(OutboundMessage(body=b"%d" % number))
        else:
            store = await adapter.event_queue("default")
            now = time.time()
            for number in range(100):
                event = QueuedEvent(
                    request_id=f"{number}",
                    function_name="f",
                    source="direct",
                    payload=b"{}",
                    accepted_at=now,
                    due_at=now,
                )
                await store.put(event, claim=True)
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
