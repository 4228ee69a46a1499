from __future__ import annotations

import pytest

from eventflow.policy.media_types import matches_any
from eventflow.policy.rest_resources import ResourceTree, parse_resource
from eventflow.policy.routes import Match, MethodNotAllowed, NotFound


def tree(*routes: str) -> ResourceTree[str]:
    return ResourceTree([(parse_resource(route), route) for route in routes])


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/pets/dog", "GET /pets/dog"),
        ("/pets/cat", "GET /pets/{id}"),
        ("/pets/cat/1", "GET /pets/{proxy+}"),
        ("/else/where", "ANY /{proxy+}"),
        ("/pets/dog/", "GET /pets/dog"),
        ("/pets/%64og", "GET /pets/dog"),
    ],
)
def test_a_static_sibling_beats_a_parameter_which_beats_a_greedy_one(path: str, route: str) -> None:
    declared = ("ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/{id}", "GET /pets/dog")
    found = tree(*declared).match("GET", path)
    assert isinstance(found, Match)
    assert found.target == route


def test_the_resource_is_chosen_before_the_method() -> None:
    table = tree("POST /pets/dog", "ANY /pets/{id}")
    assert table.match("GET", "/pets/dog") == MethodNotAllowed(("POST",))
    assert table.match("GET", "/nowhere") == NotFound()


def test_the_exact_method_beats_any() -> None:
    found = tree("ANY /a", "HEAD /a").match("HEAD", "/a")
    assert isinstance(found, Match)
    assert found.target == "HEAD /a"


def test_parameters_stay_encoded_and_a_greedy_one_has_no_last_slash() -> None:
    found = tree("GET /{shop}/{proxy+}").match("GET", "/a%20b/c//d%2Fe/")
    assert isinstance(found, Match)
    assert found.path_parameters == {"shop": "a%20b", "proxy": "c//d%2Fe"}


def test_the_root_is_a_resource_of_its_own() -> None:
    assert isinstance(tree("GET /").match("GET", "/"), Match)
    assert tree("GET /{proxy+}").match("GET", "/") == NotFound()


def test_names_of_parameters_tell_nothing_apart() -> None:
    assert tree("GET /{a}", "GET /{b}", "POST /{c}").conflicts() == (("GET /{a}", "GET /{b}"),)


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("$default", "has no '\\$default'"),
        ("GET /ping", "answers /ping itself"),
        ("GET /a/", "leave it out"),
        ("GET /ä", "may have letters"),
        ("FETCH /a", "is not a method"),
    ],
)
def test_a_resource_that_cannot_be_is_refused(route: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_resource(route)


@pytest.mark.parametrize(
    ("value", "patterns", "matches"),
    [
        ("image/png", ("image/png",), True),
        ("Image/PNG; q=1", ("image/png",), True),
        ("image/png", ("image/*",), True),
        ("image/png", ("*/png",), False),
        ("image/*", ("image/png",), False),
        ("anything", ("*/*",), True),
        ("", ("image/png",), False),
    ],
)
def test_binary_media_types(value: str, patterns: tuple[str, ...], matches: bool) -> None:
    assert matches_any(value, patterns) is matches
