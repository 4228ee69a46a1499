"""Requests that eventflow sends itself, to a server on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from eventflow import App, CloudFormationEvent, Environment, on_cloudformation
from eventflow.errors import UnavailableError
from eventflow.ports import OutboundRequest
from eventflow.run.runner import running
from eventflow.runtime.http.client import StandardHttpClient
from eventflow.runtime.stopping import StopSignal
from eventflow.testing.events import cloudformation_event
from tests.runtime.http.answering import Server, answering


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def server() -> Iterator[Server]:
    with answering() as server:
        yield server


def request(server: Server, path: str, **fields: Any) -> OutboundRequest:
    return OutboundRequest("GET", f"http://{server.address}{path}", {})._replace(**fields)


async def send(made: OutboundRequest, *, private: bool = True) -> tuple[int, bytes]:
    response = await StandardHttpClient().send(made, seconds=60, maximum_bytes=1_000, private=private)
    return response.status, response.body


async def test_a_request_is_sent_as_it_is(server: Server) -> None:
    made = request(server, "/a%2Fb?q=%20", method="PUT", headers={"Content-Type": ""}, body=b"{}")
    assert await send(made) == (200, b"thanks")
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("PUT", "/a%2Fb?q=%20", b"{}")
    assert (headers["Content-Type"], headers["Host"], headers["Content-Length"]) == ("", server.address, "2")


async def test_a_redirection_is_an_answer_like_others(server: Server) -> None:
    assert (await send(request(server, "/redirect")))[0] == 302
    assert len(server.requests) == 1


async def test_addresses_of_this_machine_and_its_networks_are_refused(server: Server) -> None:
    for url in (f"http://{server.address}/", "http://localhost/", "http://169.254.169.254/", "http://[::1]/"):
        with pytest.raises(UnavailableError, match="that is not public"):
            await send(OutboundRequest("GET", url, {}), private=False)
    assert server.requests == []


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(server: Server) -> None:
    with pytest.raises(UnavailableError, match="more than 1,000 bytes"):
        await send(request(server, "/large"))


async def test_a_host_that_does_not_speak_tls_is_unavailable(server: Server) -> None:
    with pytest.raises(UnavailableError, match="no answer to GET"):
        await send(OutboundRequest("GET", f"https://{server.address}/secret?signature=s", {}))


async def test_an_error_does_not_tell_the_signature_of_its_url(server: Server) -> None:
    with pytest.raises(UnavailableError) as caught:
        await send(OutboundRequest("GET", f"https://{server.address}/secret?signature=s", {}))
    assert "secret" not in str(caught.value)


async def test_a_header_cannot_smuggle_another(server: Server) -> None:
    with pytest.raises(UnavailableError):
        await send(request(server, "/", headers={"X-A": "1\r\nX-B: 2"}))
    assert server.requests == []


@on_cloudformation()
async def resource(event: CloudFormationEvent) -> dict[str, str]:
    if "crash" in event.resource_properties:
        raise SystemExit(1)
    return {"name": "n"}


@pytest.mark.parametrize(("properties", "status"), [({}, "SUCCESS"), ({"crash": "true"}, "FAILED")])
async def test_a_custom_resource_is_answered_at_its_response_url(
    server: Server, properties: dict[str, str], status: str
) -> None:
    environment = Environment(options={"data": "memory"}, custom_resource_response_hosts=[server.address])
    wire = cloudformation_event(properties=properties).to_wire() | {"ResponseURL": f"http://{server.address}/r?s=1"}
    async with running(App([resource]).freeze(environment), stop=StopSignal()) as supervisor:
        function = supervisor.functions.find("resource")
        outcome = await function.entry_for(wire).invoke(wire)
        assert outcome.ok
    [(method, path, headers, body)] = server.requests
    assert (method, path, headers["Content-Type"]) == ("PUT", "/r?s=1", "")
    assert json.loads(body)["Status"] == status
