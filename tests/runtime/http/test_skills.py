"""Alexa skills served over HTTP: from a signed request to the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from eventflow import AlexaEvent, AlexaResponse, App, ConfigurationError, Environment, function, on_alexa
from eventflow.errors import NotAuthenticError, UnavailableError
from eventflow.ports import OutboundRequest, PushRequest, PushResponse
from eventflow.run.runner import RunOptions, run_plan
from eventflow.run.skills import skill_endpoints, skill_paths
from eventflow.run.verifiers import find_verifier
from eventflow.runtime.callers import Callers
from eventflow.runtime.http.client import StandardHttpClient
from eventflow.runtime.http.skills import SkillEndpoint
from eventflow.runtime.stopping import StopSignal
from eventflow.testing import TestApp, VirtualClock
from eventflow.testing.events import alexa_event
from eventflow_aws.alexa import AlexaVerifier
from tests.unit.aws.alexa_signing import Alexa, Authority

SKILL = "amzn1.ask.skill.example"
BARE = b'{"request": {"type": 7}, "context": {"System": {}}}'
NOW = 1_767_225_600.0


@on_alexa(SKILL)
@function(timeout_seconds=60)
async def skill(event: AlexaEvent) -> Any:
    match event.intent_name:
        case "Slow":
            await asyncio.sleep(9)
        case "Broken":
            raise ValueError("broken")
        case "Wrong":
            return {"speech": "Hi"}
    return event.speak("Hi")


@on_alexa("amzn1.ask.skill.other", intent="Recipe", path="/skills/other")
async def other(event: AlexaEvent) -> AlexaResponse:
    return event.speak("Snow")


class Trusting:
    """A RequestVerifier that refuses what it is told to."""

    def __init__(self, problem: Exception | None = None) -> None:
        self._problem = problem

    async def verify(self, request: PushRequest) -> None:
        if self._problem is not None:
            raise self._problem


@asynccontextmanager
async def serving(verifier: Any = None) -> AsyncIterator[tuple[TestApp, SkillEndpoint]]:
    async with TestApp(App([skill, other])) as app:
        callers = Callers(app.supervisor.functions)
        ids = {SKILL, "amzn1.ask.skill.other"}
        yield app, SkillEndpoint("/alexa", ids, callers, verifier or Trusting(), VirtualClock())
        callers.abandon()


async def ask(event: AlexaEvent | bytes, verifier: Any = None) -> PushResponse:
    body = event if isinstance(event, bytes) else json.dumps(event.to_wire()).encode()
    async with serving(verifier) as (_, endpoint):
        return await endpoint.handle(PushRequest({}, body))


async def test_a_request_is_answered_by_the_skill() -> None:
    status, _, body = await ask(alexa_event())
    assert (status, json.loads(body or b"")) == (200, alexa_event().speak("Hi").to_wire())


async def test_a_signed_request_is_answered_and_an_altered_one_refused() -> None:
    authority = Authority()
    alexa = Alexa(authority)
    body = json.dumps(alexa_event().to_wire()).encode()
    request = alexa.signed(body)
    async with serving() as (_, trusting):
        verifier = AlexaVerifier(VirtualClock(), fetch=alexa.fetch, roots=[authority.root])
        endpoint = SkillEndpoint("/alexa", {SKILL}, trusting._callers, verifier, VirtualClock())
        assert (await endpoint.handle(request)).status == 200
        assert (await endpoint.handle(request._replace(body=body.replace(b"en-US", b"de-DE")))).status == 400


@pytest.mark.parametrize(
    ("problem", "status"), [(NotAuthenticError("it is forged"), 400), (UnavailableError("s3", "away"), 503)]
)
async def test_what_cannot_be_verified_is_not_handled(problem: Exception, status: int) -> None:
    assert (await ask(alexa_event(), Trusting(problem))).status == status


@pytest.mark.parametrize("body", [b"", b"text", b"[]", b"{}", b'{"request": {"type": "x"}, "context": {}}', BARE])
async def test_what_is_no_request_of_alexas_is_refused(body: bytes) -> None:
    assert (await ask(body)).status == 400


@pytest.mark.parametrize(
    ("age", "kind", "status"),
    [
        (150, None, 200),
        (151, None, 400),
        (-150, None, 200),
        (-151, None, 400),
        (3_600, "AlexaSkillEvent.SkillDisabled", 200),
        (3_601, "AlexaSkillEvent.SkillDisabled", 400),
        (151, "AlexaSkillEvent.ProactiveSubscriptionChanged", 400),
    ],
)
async def test_a_request_is_of_now(age: float, kind: str | None, status: int) -> None:
    assert (await ask(alexa_event(time=NOW - age, request_type=kind))).status == status


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", 7])
async def test_a_request_without_a_time_is_refused(timestamp: Any) -> None:
    wire = alexa_event().to_wire()
    wire["request"]["timestamp"] = timestamp
    assert (await ask(json.dumps(wire).encode())).status == 400


@pytest.mark.parametrize("skill_id", ["amzn1.ask.skill.stranger", "", None, {}])
async def test_another_skills_request_is_refused(skill_id: Any) -> None:
    wire = alexa_event().to_wire()
    wire["context"]["System"]["application"]["applicationId"] = skill_id
    assert (await ask(json.dumps(wire).encode())).status == 400


@pytest.mark.parametrize(("intent", "status"), [("Broken", 500), ("Wrong", 500)])
async def test_a_skill_that_fails_is_an_error(intent: str, status: int) -> None:
    response = await ask(alexa_event(intent))
    assert response.status == status
    assert "broken" not in response.text


async def test_a_request_that_no_function_answers_is_an_error() -> None:
    assert (await ask(alexa_event("Recipe", skill_id="amzn1.ask.skill.other"))).status == 200
    assert (await ask(alexa_event("Other", skill_id="amzn1.ask.skill.other"))).status == 500


async def test_alexa_does_not_wait_longer_than_it_would() -> None:
    async with serving() as (app, endpoint):
        started = app.time()
        response = await endpoint.handle(PushRequest({}, json.dumps(alexa_event("Slow").to_wire()).encode()))
        assert (response.status, app.time() - started) == (504, 8)
        await app.advance(2)
        assert app.invocations("skill")[0].outcome.ok


@pytest.mark.parametrize(
    "kind", ["SessionEndedRequest", "AlexaSkillEvent.SkillDisabled", "System.ExceptionEncountered"]
)
async def test_there_is_nothing_to_say_to_an_end(kind: str) -> None:
    assert (await ask(alexa_event(request_type=kind))).json == b"{}"


async def test_each_path_has_its_skills_and_their_verifier() -> None:
    async with TestApp(App([skill, other])) as app:
        plan = app.supervisor.plan
        assert skill_paths(plan) == {"/alexa": {SKILL}, "/skills/other": {"amzn1.ask.skill.other"}}
        endpoints = skill_endpoints(plan, Callers(app.supervisor.functions), VirtualClock())
        assert list(endpoints) == ["/alexa", "/skills/other"]
        unsigned = PushRequest({}, json.dumps(alexa_event().to_wire()).encode())
        assert (await endpoints["/alexa"].handle(unsigned)).status == 400


def test_a_verifier_that_is_not_installed_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match=r"requests of cortana: cannot be verified.*eventflow\[aws\]"):
        find_verifier("cortana", of="cortana")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_served_skill_refuses_what_alexa_did_not_sign() -> None:
    plan = App([skill]).freeze(Environment(options={"data": "memory"}))
    stop = StopSignal()
    addresses: asyncio.Queue[str] = asyncio.Queue()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            partial(
                run_plan,
                plan,
                RunOptions(port=0),
                stop=stop,
                on_started=lambda started: addresses.put_nowait(started.address or ""),
            )
        )
        body = json.dumps(alexa_event().to_wire()).encode()
        request = OutboundRequest("POST", f"{await addresses.get()}/alexa", {}, body)
        response = await StandardHttpClient().send(request, seconds=60, maximum_bytes=1_000, private=True)
        stop.request()
    assert (response.status, b"SignatureCertChainUrl" in response.body) == (400, True)
