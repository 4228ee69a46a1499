"""HTTP API routes. Source: API Gateway guide: http-api-develop-routes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.policy.routes import Match, MethodNotAllowed, NotFound, RouteTable, parse_route_key


def table(*keys: str) -> RouteTable[str]:
    return RouteTable([(parse_route_key(key), key) for key in keys])


def chosen(routes: RouteTable[str], method: str, path: str) -> str | None:
    result = routes.match(method, path)
    return result.target if isinstance(result, Match) else None


def parameters(routes: RouteTable[str], path: str) -> dict[str, str]:
    result = routes.match("GET", path)
    assert isinstance(result, Match)
    return dict(result.path_parameters)


PRIORITY = ("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default")


def test_a_route_key_is_parsed() -> None:
    key = parse_route_key("GET /orders/{id}/files/{path+}")
    assert (key.method, key.parameters, str(key)) == ("GET", ("id", "path"), "GET /orders/{id}/files/{path+}")
    assert not key.is_default
    default = parse_route_key("$default")
    assert default.is_default
    assert default.parameters == ()


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "must be a method, one space and a path"),
        ("/orders", "must be a method, one space and a path"),
        ("GET", "must be a method, one space and a path"),
        ("GET orders", "must be a method, one space and a path"),
        ("GET  /orders", "must be a method, one space and a path"),
        ("get /orders", "'get' is not a method; use one of GET, POST"),
        ("TRACE /orders", "'TRACE' is not a method"),
        ("GET /orders//new", "empty segment"),
        ("GET //", "empty segment"),
        ("GET /{proxy+}/files", "must come last"),
        ("GET /orders/{id", "a parameter is a whole segment"),
        ("GET /orders/x{id}", "a parameter is a whole segment"),
        ("GET /orders/{}", "a parameter is a whole segment"),
        ("GET /orders/{a b}", "a parameter is a whole segment"),
        ("GET /{id}/{id}", "a parameter name twice"),
        ("GET /orders?x=1", "must be written decoded"),
        ("GET /orders/*", "must be written decoded"),
        ("GET /caf%C3%A9", "must be written decoded"),
        ("GET /a b", "must be written decoded"),
        ("$Default", "must be a method, one space and a path"),
    ],
)
def test_a_bad_route_key_is_refused_with_what_would_be_right(key: str, reason: str) -> None:
    with pytest.raises(ValueError, match="route") as caught:
        parse_route_key(key)
    assert reason in str(caught.value)


@pytest.mark.parametrize("order", range(6))
def test_the_most_specific_route_answers_whatever_the_order_of_declaration(order: int) -> None:
    keys = list(PRIORITY)
    random.Random(order).shuffle(keys)
    routes = table(*keys)
    assert chosen(routes, "GET", "/pets/dog/1") == "GET /pets/dog/1"
    assert chosen(routes, "GET", "/pets/dog/2") == "GET /pets/dog/{id}"
    assert chosen(routes, "GET", "/pets/cat/1") == "GET /pets/{proxy+}"
    assert chosen(routes, "GET", "/other") == "ANY /{proxy+}"
    assert chosen(routes, "POST", "/pets/dog/1") == "ANY /{proxy+}"
    assert chosen(routes, "GET", "/") == "$default"


def test_the_exact_method_comes_before_any_on_one_path() -> None:
    routes = table("ANY /a", "GET /a", "ANY /b/{id}", "POST /b/{id}", "ANY /c/{p+}", "GET /c/{p+}")
    assert chosen(routes, "GET", "/a") == "GET /a"
    assert chosen(routes, "PUT", "/a") == "ANY /a"
    assert chosen(routes, "POST", "/b/1") == "POST /b/{id}"
    assert chosen(routes, "GET", "/b/1") == "ANY /b/{id}"
    assert chosen(routes, "GET", "/c/1") == "GET /c/{p+}"
    assert chosen(routes, "POST", "/c/1") == "ANY /c/{p+}"


def test_a_more_specific_path_comes_before_the_exact_method() -> None:
    routes = table("ANY /pets/dog", "GET /pets/{name}")
    assert chosen(routes, "GET", "/pets/dog") == "ANY /pets/dog"


def test_a_route_for_another_method_does_not_hide_a_less_specific_one() -> None:
    routes = table("POST /pets/dog", "GET /pets/{name}", "DELETE /{proxy+}")
    assert chosen(routes, "GET", "/pets/dog") == "GET /pets/{name}"
    assert chosen(routes, "DELETE", "/pets/dog") == "DELETE /{proxy+}"


def test_static_segments_are_preferred_from_the_left() -> None:
    routes = table("GET /{a}/x", "GET /x/{b}", "GET /{a}/{b}")
    assert chosen(routes, "GET", "/x/x") == "GET /x/{b}"
    assert chosen(routes, "GET", "/y/x") == "GET /{a}/x"
    assert chosen(routes, "GET", "/y/y") == "GET /{a}/{b}"


def test_a_dead_end_below_a_static_segment_is_left_again() -> None:
    assert chosen(table("GET /x/y/z", "GET /{a}/y/w"), "GET", "/x/y/w") == "GET /{a}/y/w"


def test_among_greedy_routes_the_longest_literal_prefix_answers() -> None:
    routes = table("GET /{p+}", "GET /a/{p+}", "GET /a/b/{p+}", "GET /{x}/b/{p+}")
    assert chosen(routes, "GET", "/a/b/c") == "GET /a/b/{p+}"
    assert chosen(routes, "GET", "/a/c/c") == "GET /a/{p+}"
    assert chosen(routes, "GET", "/z/b/c") == "GET /{x}/b/{p+}"
    assert chosen(routes, "GET", "/z") == "GET /{p+}"


def test_path_parameters_are_decoded() -> None:
    routes = table("GET /orders/{id}", "GET /files/{path+}")
    assert parameters(routes, "/orders/a%20b") == {"id": "a b"}
    assert parameters(routes, "/orders/a%2Fb") == {"id": "a/b"}
    assert parameters(routes, "/orders/caf%C3%A9+1") == {"id": "café+1"}
    assert parameters(routes, "/files/a/b%20c/d") == {"path": "a/b c/d"}
    assert parameters(routes, "/files/a/") == {"path": "a/"}
    assert parameters(table("GET /{a}/x/{b}"), "/1/x/2") == {"a": "1", "b": "2"}


def test_literal_segments_are_compared_decoded() -> None:
    routes = table("GET /café/menu", "GET /café/{item}")
    assert chosen(routes, "GET", "/caf%C3%A9/menu") == "GET /café/menu"
    assert chosen(routes, "GET", "/caf%C3%A9/tea") == "GET /café/{item}"
    assert chosen(table("GET /a/b"), "GET", "/a%2Fb") is None


def test_a_trailing_slash_is_significant() -> None:
    routes = table("GET /orders", "GET /users/", "GET /items/{id}")
    assert chosen(routes, "GET", "/orders/") is None
    assert chosen(routes, "GET", "/users/") == "GET /users/"
    assert chosen(routes, "GET", "/users") is None
    assert chosen(routes, "GET", "/items/") is None
    assert chosen(routes, "GET", "/items/1/") is None


def test_the_root_is_a_path_of_its_own() -> None:
    routes = table("GET /", "ANY /{proxy+}")
    assert chosen(routes, "GET", "/") == "GET /"
    assert routes.match("POST", "/") == MethodNotAllowed(("GET",))


def test_paths_are_case_sensitive() -> None:
    assert chosen(table("GET /Orders"), "GET", "/orders") is None


def test_a_path_without_a_route_is_not_found() -> None:
    assert table("GET /orders").match("GET", "/other") == NotFound()
    assert table().match("GET", "/") == NotFound()
    assert table("GET /").match("OPTIONS", "*") == NotFound()


def test_the_methods_that_a_path_has_are_reported() -> None:
    routes = table("GET /orders/{id}", "PUT /orders/1", "DELETE /orders/{proxy+}", "POST /other")
    assert routes.match("POST", "/orders/1") == MethodNotAllowed(("DELETE", "GET", "PUT"))


def test_default_answers_everything_else() -> None:
    routes = table("GET /orders", "$default")
    assert chosen(routes, "POST", "/orders") == "$default"
    assert chosen(routes, "GET", "/x/y") == "$default"
    assert chosen(routes, "OPTIONS", "*") == "$default"


def test_routes_that_answer_the_same_requests_conflict() -> None:
    routes = table("GET /a/{id}", "GET /a/{name}", "POST /a/{id}", "GET /a/{id+}", "$default", "$default")
    assert routes.conflicts() == (("GET /a/{id}", "GET /a/{name}"), ("$default", "$default"))
    assert chosen(routes, "GET", "/a/1") == "GET /a/{id}"


def test_different_routes_do_not_conflict() -> None:
    assert table(*PRIORITY, "GET /a", "GET /a/", "POST /a", "ANY /a").conflicts() == ()


segments = st.sampled_from(["a", "b", "{x}", "{y}"])
paths = st.lists(segments, min_size=1, max_size=3, unique=True).flatmap(
    lambda pieces: st.sampled_from(["/" + "/".join(pieces), "/" + "/".join([*pieces, "{rest+}"])])
)
keys = st.builds(lambda method, path: f"{method} {path}", st.sampled_from(["GET", "POST", "ANY"]), paths)


def rank(key: str, method: str, pieces: list[str]) -> tuple[object, ...] | None:
    """How well a route fits a request, lower is better; ``None`` if it does not."""
    own_method, _, path = key.partition(" ")
    own = path[1:].split("/")
    greedy = own[-1] == "{rest+}"
    fixed = own[:-1] if greedy else own
    if own_method not in {method, "ANY"} or (len(pieces) <= len(fixed) if greedy else len(pieces) != len(fixed)):
        return None
    if any(not piece.startswith("{") and piece != given for piece, given in zip(fixed, pieces, strict=False)):
        return None
    parameters = [piece.startswith("{") for piece in own]
    if not greedy:
        return (0, parameters, own_method == "ANY")
    return (1, -parameters.index(True), sum(parameters) - len(own), -len(own), own_method == "ANY")


@given(
    st.lists(keys, max_size=8),
    st.sampled_from(["GET", "POST"]),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
)
def test_the_table_agrees_with_ranking_every_route(declared: list[str], method: str, pieces: list[str]) -> None:
    ranked = [rank(key, method, pieces) for key in declared]
    best = min((found for found in ranked if found is not None), default=None)
    answer = chosen(table(*declared), method, "/" + "/".join(pieces))
    if best is None:
        assert answer is None
    else:
        assert answer is not None
        assert rank(answer, method, pieces) == best
