"""Which HTTP triggers may live in one app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventflow import App, ConfigurationError, Environment, function, on_alb, on_function_url, on_http, on_rest

Mark = Callable[[Callable[..., Any]], Callable[..., Any]]


def functions(*marks: Mark) -> list[Callable[..., Any]]:
    def make(number: int, mark: Mark) -> Callable[..., Any]:
        def handler(event: dict[str, Any]) -> None: ...

        return function(name=f"f{number}")(mark(handler))

    return [make(number, mark) for number, mark in enumerate(marks)]


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ((on_http("GET /a"), on_http("GET /a", payload_format_version="1.0")), "answers the same route"),
        ((on_rest("GET /{a}"), on_rest("GET /{b}")), "answers the same route"),
        ((on_http("GET /a/{id}"), on_rest("ANY /a/{name}")), "for the same requests as the HTTP API's"),
        ((on_http("GET /a/"), on_rest("GET /a")), "for the same requests as the HTTP API's"),
        ((on_http("GET /api/a"), on_alb("/api/*")), "takes every request of"),
        ((on_rest("POST /api/{id}"), on_alb("/api/*", http_request_method="POST")), "takes every request of"),
        ((on_http("$default"), on_alb()), "takes every request that is left"),
        ((on_alb(), on_alb(priority=1)), "has no conditions"),
        ((on_alb("/a", priority=1), on_alb("/b", priority=1)), "has priority 1"),
    ],
)
def test_two_that_claim_the_same_requests_are_refused(marks: tuple[Mark, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App(functions(*marks)).freeze(Environment())


@pytest.mark.parametrize(
    "marks",
    [
        (on_http("GET /a"), on_rest("POST /a")),
        (on_http("ANY /{proxy+}"), on_rest("GET /a"), on_alb("/api/*"), on_function_url()),
        (on_http("GET /api/a"), on_alb("/api/*", host_header="api.example.com")),
        (on_http("GET /api/a"), on_alb("/api/*", http_request_method="POST")),
        (on_http("$default"), on_function_url(), on_alb("/x")),
    ],
)
def test_two_that_can_be_told_apart_are_not(marks: tuple[Mark, ...]) -> None:
    assert len(App(functions(*marks)).freeze(Environment()).routes) == len(marks)


def test_hosts_of_function_urls_know_no_capitals() -> None:
    one, other = functions(on_function_url(), on_function_url())
    second = function(name="F0")(on_function_url()(lambda event: None))
    with pytest.raises(ConfigurationError, match="has the host f0"):
        App([one, other, second]).freeze(Environment())


@pytest.mark.parametrize(
    ("mark", "field"),
    [
        (on_http("GET /a", payload_format_version="3.0"), "payload_format_version"),  # type: ignore[arg-type]
        (on_rest("GET /a", binary_media_types="png"), "binary_media_types"),
        (on_rest("GET /ping"), "route"),
        (on_alb("/a", priority=0), "priority"),
        (on_alb("/a", source_ip="here"), "source_ip"),
    ],
)
def test_a_mistake_in_a_trigger_names_its_field(mark: Mark, field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        App(functions(mark)).freeze(Environment())
    assert field in {problem.field for problem in caught.value.problems}
