"""A CloudFront distribution as a test meets it: its functions for real, and an origin of the test's own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, NamedTuple

from eventflow.model.edge import Distribution, OriginUrl
from eventflow.runtime.edge.origins import OriginError, OriginResponse
from eventflow.runtime.edge.proxy import EdgeProxy
from eventflow.testing.http_client import AppClient, HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from eventflow.runtime.callers import Callers
    from eventflow.runtime.edge.origins import OriginRequest
    from eventflow.runtime.supervisor import Supervisor


class OriginCall(NamedTuple):
    """A request that reached the origin. ``url`` is whole; ``headers`` have names in lower case."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name.lower()), None)


class TestDistribution(AppClient):
    """A distribution in front of an origin that is a function. ``calls`` is what reached it."""

    __test__ = False

    def __init__(
        self,
        supervisor: Supervisor,
        callers: Callers,
        distribution: Distribution,
        origin: Callable[[OriginCall], Any] | None,
    ) -> None:
        self.calls: list[OriginCall] = []
        origins = _Origins(origin or _empty_page, self.calls)
        proxy = EdgeProxy(distribution, supervisor.functions, callers=callers, origins=origins, clock=supervisor.clock)
        super().__init__(proxy)


def example_distribution(name: str) -> Distribution:
    """A distribution that no environment declares."""
    return Distribution(
        name=name,
        origin=OriginUrl.parse("http://origin.example"),
        distribution_id=name,
        domain_name=f"{name}.cloudfront.localhost",
    )


def _empty_page(call: OriginCall) -> HttpResponse:
    return HttpResponse(status=200, headers=(), body=b"")


class _Origins:
    """Origins: a function for all of them."""

    def __init__(self, answer: Callable[[OriginCall], Any], calls: list[OriginCall]) -> None:
        self._answer = answer
        self._calls = calls

    async def find(self, host: str) -> None:
        """Every name is known."""

    @asynccontextmanager
    async def send(self, request: OriginRequest) -> AsyncIterator[OriginResponse]:
        body = b"".join([piece async for piece in request.body]) if request.body else b""
        headers = tuple((name.lower(), value) for name, value in request.headers)
        call = OriginCall(request.method, f"{request.url}{request.target}", headers, body)
        self._calls.append(call)
        try:
            async with asyncio.timeout(request.read_seconds):
                answer = self._answer(call)
                response: HttpResponse = await answer if isawaitable(answer) else answer
        except TimeoutError as exc:
            raise OriginError(504, f"{request.url.netloc} did not answer in time") from exc
        yield OriginResponse(response.status, "", response.headers, _whole(response.body))


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
