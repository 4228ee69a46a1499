"""``[environments.<name>.cloudfront.<distribution>]``: what is taken, and what is refused with what words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import ConfigurationError
from eventflow.model.edge import ALL_METHODS, OriginUrl, request_target
from eventflow.plan.distributions import distribution, distribution_problems
from eventflow.plan.environment import load_environment

ORIGIN = "http://127.0.0.1:9000"


def problems(**options: Any) -> list[str]:
    return [str(found) for found in distribution_problems({"site": {"origin": ORIGIN, **options}}, "eventflow.toml")]


def test_an_origin_is_enough() -> None:
    found = distribution("site", {"origin": "https://example.com/v1/"})
    assert found.origin == OriginUrl("https", "example.com", 443, "/v1")
    assert (found.port, found.distribution_id, found.domain_name) == (0, "site", "site.cloudfront.localhost")
    assert (found.allowed_methods, found.origin_read_timeout_seconds) == (ALL_METHODS, 30)
    assert problems() == []


def test_every_option_is_taken() -> None:
    options = {
        "port": 8080,
        "distribution_id": "E1",
        "domain_name": "d1.cloudfront.net",
        "allowed_methods": ["HEAD", "GET"],
        "origin_headers": {"X-Key": "secret"},
        "origin_read_timeout_seconds": 4,
        "origins": {"api.example.com": "http://[::1]:9001"},
    }
    assert problems(**options) == []
    found = distribution("site", {"origin": ORIGIN, **options})
    assert (found.port, found.distribution_id, found.domain_name) == (8080, "E1", "d1.cloudfront.net")
    assert (found.allowed_methods, found.origin_headers) == (("GET", "HEAD"), {"X-Key": "secret"})
    assert str(found.origins["api.example.com"]) == "http://[::1]:9001"
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"origin": 1}, "cloudfront.site.origin: 1 is not text (for example http://127.0.0.1:9000)"),
        ({"origin": "127.0.0.1:9000"}, "'127.0.0.1:9000' is no URL of HTTP"),
        ({"origin": "ftp://a"}, "'ftp://a' is no URL of HTTP"),
        ({"origin": "http://a?b"}, "has more than a host, a port and a path"),
        ({"origin": "http://u:p@a"}, "cloudfront.site.origin: has more than a host, a port and a path"),
        ({"origin": "http://a//b"}, "has a path that is none"),
        ({"origin": "http://a:port"}, "'http://a:port' Port could not be cast"),
        ({"port": "8080"}, "'8080' is not allowed (a port from 0 to 65535)"),
        ({"port": True}, "True is not allowed"),
        ({"port": 65_536}, "65536 is not allowed"),
        ({"distribution_id": ""}, "'' is not allowed (text of one line, in ASCII)"),
        ({"domain_name": "a\nb"}, "'a\\nb' is not allowed"),
        ({"origin": "http://a b"}, "'http://a b' is no URL of HTTP"),
        ({"allowed_methods": ["GET"]}, "['GET'] is not allowed (CloudFront knows ['GET', 'HEAD'] or"),
        ({"allowed_methods": "GET"}, "'GET' is not allowed"),
        ({"origin_headers": {"Host": "a"}}, "Host cannot be a custom header of an origin (CloudFront refuses it, too)"),
        ({"origin_headers": {"X-Key": 1}}, "is not a table of text"),
        ({"origin_read_timeout_seconds": 3}, "3 is not allowed (seconds from 4 to 60)"),
        ({"origins": {"a": "b"}}, "a: 'b' is no URL of HTTP"),
        ({"origins": "a"}, "'a' is not a table"),
        ({"orgin": ORIGIN}, "cloudfront.site.orgin: is not a key (known: origin, port,"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], expected: str) -> None:
    [found] = problems(**options)
    assert found.startswith("eventflow.toml: cloudfront.site")
    assert expected in found


def test_a_header_that_is_refused_keeps_its_value_to_itself() -> None:
    [found] = problems(origin_headers={"X-Amz-Key": "secret"})
    assert "secret" not in found


def test_a_distribution_has_a_name_and_an_origin() -> None:
    tables = {"a site": {"origin": ORIGIN}, "site": {"port": 1}, "other": "http://a"}
    found = [str(problem) for problem in distribution_problems(tables, "eventflow.toml")]
    assert "cloudfront.a site: is no name of a distribution" in found[0]
    assert "cloudfront.site: names no origin ([environments.<name>.cloudfront.site] needs origin = " in found[1]
    assert "cloudfront.other: names no origin" in found[2]


def test_a_file_declares_distributions(tmp_path: Path) -> None:
    (tmp_path / "eventflow.toml").write_text(f'[environments.local.cloudfront.site]\norigin = "{ORIGIN}"\n')
    environment = load_environment(directory=tmp_path)
    assert str(environment.distributions["site"].origin) == ORIGIN
    assert environment.options == {}


@pytest.mark.parametrize("table", ['cloudfront = "site"', "[environments.local.cloudfront.site]\nport = 1"])
def test_a_file_with_mistakes_is_refused(tmp_path: Path, table: str) -> None:
    (tmp_path / "eventflow.toml").write_text(f"[environments.local]\n{table}\n")
    with pytest.raises(ConfigurationError, match="cloudfront"):
        load_environment(directory=tmp_path)


def test_a_request_target_is_ascii_and_otherwise_as_it_was() -> None:
    assert request_target("/a/../b%2Fc;d=1", "x=%20&y='z'") == "/a/../b%2Fc;d=1?x=%20&y='z'"
    assert request_target("/ü?", "") == "/%C3%BC%3F"
