"""A network between processes that can be cut, driven from tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from tests.servers.proxy import Proxy


class Network:
    """A proxy before one server, served by a loop in a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, proxy: Proxy) -> None:
        self._loop = loop
        self._proxy = proxy

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._proxy.port}"

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        _wait(self._loop, self._cut())

    def restore(self) -> None:
        """Accept connections again."""
        _wait(self._loop, self._proxy.restore())

    async def _cut(self) -> None:
        self._proxy.cut()


@contextmanager
def network_to(port: int) -> Iterator[Network]:
    """The network to a server on loopback."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = Proxy(port)
    try:
        _wait(loop, proxy.__aenter__())
        yield Network(loop, proxy)
    finally:
        _wait(loop, proxy.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _wait(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> None:
    asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=60)
