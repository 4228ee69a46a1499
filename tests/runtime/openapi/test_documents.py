"""OpenAPI documents: valid, complete, and true of what is served."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import openapi_spec_validator
import pytest
from openapi_schema_validator import OAS31Validator
from pydantic import BaseModel, Field

from eventflow import (
    App,
    HttpEvent,
    documented,
    http_authorizer,
    on_alb,
    on_function_url,
    on_http,
    on_rest,
)
from eventflow.errors import ConfigurationError
from eventflow.plan.environment import Environment
from eventflow.runtime.openapi.document import OpenApi, openapi_of
from tests.runtime.http.harness import running
from tests.runtime.openapi import flavours_app


def written(*handlers: Callable[..., Any], **options: Any) -> OpenApi:
    found = openapi_of(App(handlers).freeze(Environment()), **options)
    openapi_spec_validator.validate(found.document)
    return found


def document(*handlers: Callable[..., Any], **options: Any) -> dict[str, Any]:
    return written(*handlers, **options).document


FLAVOURS = openapi_of(App.from_module(flavours_app).freeze(Environment())).document


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def response(described: dict[str, Any], operation: dict[str, Any], status: str) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"][status]
    name = found.get("$ref", "").rpartition("/")[2]
    return described["components"]["responses"][name] if name else found


def fits(described: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    return bool(OAS31Validator({**schema, "components": described["components"]}).is_valid(value))


def test_a_document_of_every_flavour_is_valid() -> None:
    openapi_spec_validator.validate(FLAVOURS)
    for schema in FLAVOURS["components"]["schemas"].values():
        OAS31Validator.check_schema(schema)


def test_operations_are_named_after_their_functions_and_no_two_alike() -> None:
    names = [operation["operationId"] for _, _, operation in operations(FLAVOURS)]
    assert len(names) == len(set(names))
    assert {"make_part", "legacy", "balanced", "anything_get", "anything_head"} <= set(names)


def test_path_parameters_have_their_types_and_greedy_ones_their_mark() -> None:
    found = FLAVOURS["paths"]["/names/{id}/{more+}"]["put"]["parameters"]
    assert [(item["name"], item["in"], item["required"], item["schema"]["type"]) for item in found] == [
        ("id", "path", True, "integer"),
        ("more+", "path", True, "string"),
    ]
    assert found[1]["schema"]["minLength"] == 1


def test_query_and_headers_are_what_handlers_ask_for() -> None:
    found = {item["name"]: item for item in FLAVOURS["paths"]["/areas"]["get"]["parameters"]}
    assert {name: (item["in"], item["required"]) for name, item in found.items()} == {
        "colour": ("query", True),
        "id": ("query", False),
        "if-newer": ("header", False),
    }
    assert found["colour"]["schema"] == {"$ref": "#/components/schemas/Colour"}
    assert found["id"]["schema"] == {"type": "array", "items": {"type": "string", "format": "uuid"}}
    assert found["if-newer"]["schema"] == {"type": "boolean", "default": False}


def test_bodies_are_what_handlers_take() -> None:
    paths = FLAVOURS["paths"]
    assert paths["/parts"]["post"]["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Part-Input"}}},
    }
    assert paths["/names/{id}/{more+}"]["put"]["requestBody"]["content"] == {
        "text/plain": {"schema": {"type": "string"}}
    }
    assert list(paths["/pictures/{id}"]["put"]["requestBody"]["content"]) == ["application/octet-stream"]
    assert "requestBody" not in paths["/areas"]["get"]


def test_what_is_taken_and_what_is_returned_may_differ() -> None:
    schemas = FLAVOURS["components"]["schemas"]
    assert {kind["type"] for kind in schemas["Part-Input"]["properties"]["weight"]["anyOf"]} == {"number", "string"}
    assert schemas["Part-Output"]["properties"]["weight"]["type"] == "string"


def test_results_outside_of_models_are_described_as_lambda_writes_them() -> None:
    point = FLAVOURS["components"]["schemas"]["Point"]
    assert point["properties"] == {"x": {"type": "integer"}, "y": {"type": "number"}}


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/parts", "post", "200 400 413 429 431 500 503"),
        ("/names/{id}/{more+}", "put", "200 400 404 413 429 431 500 503"),
        ("/pictures/{id}", "put", "200 400 404 413 429 431 500 503"),
        ("/anything", "get", "200 400 404 413 429 431 500 503"),
        ("/old", "post", "400 413 429 431 500 503 default"),
        ("/legacy/{id}", "post", "200 400 401 403 404 413 414 429 431 500 502 503 504"),
        ("/balanced/{any1+}", "get", "200 400 404 413 431 502 503"),
        ("/mine", "get", "200 401 403 413 429 431 500 503"),
    ],
)
def test_every_status_that_a_flavour_answers_with_is_there(path: str, method: str, statuses: str) -> None:
    assert " ".join(FLAVOURS["paths"][path][method]["responses"]) == statuses


def test_a_handler_that_may_return_anything_has_a_default_and_its_statuses_only_examples() -> None:
    old = FLAVOURS["paths"]["/old"]["post"]
    assert old["responses"]["default"]["content"] == {"*/*": {}}
    refused = response(FLAVOURS, old, "429")["content"]
    assert refused == {"application/json": {"example": {"message": "Too Many Requests"}}, "*/*": {}}
    assert old["deprecated"] is True


def test_a_status_that_function_and_server_both_use_may_be_either() -> None:
    class Mistake(BaseModel):
        why: str

    @on_http("PUT /orders")
    @documented(responses={200: None, 400: Mistake})
    def put(order: list[int]) -> dict[str, Any]:
        return {"statusCode": 400, "body": {"why": "because"}}

    described = document(put)
    content = described["paths"]["/orders"]["put"]["responses"]["400"]["content"]
    schema = content["application/json"]["schema"]
    assert fits(described, schema, {"why": "because"})
    assert fits(described, schema, {"message": "Invalid request body", "errors": []})
    assert not fits(described, schema, {"message": "Invalid"})


def test_token_authorizers_are_discovered_and_any_scope_is_enough() -> None:
    assert FLAVOURS["paths"]["/mine"]["get"]["security"] == [{"token": ["read"]}, {"token": ["admin"]}]
    assert FLAVOURS["components"]["securitySchemes"]["token"] == {
        "type": "openIdConnect",
        "openIdConnectUrl": "https://id.example.com/.well-known/openid-configuration",
        "description": "A token of https://id.example.com/ for shop.",
    }


def test_functions_that_authorize_are_keys_wherever_they_look() -> None:
    @http_authorizer(identity_sources=["$request.header.X-Key", "$request.querystring.user", "$context.path"])
    def both(event: dict[str, Any]) -> dict[str, Any]:
        return {"isAuthorized": True}

    @on_http("GET /", authorizer=both)
    def root() -> None: ...

    described = document(both, root)
    assert described["paths"]["/"]["get"]["security"] == [{"both-X-Key": [], "both-user": []}]
    schemes = described["components"]["securitySchemes"]
    assert {(scheme["in"], scheme["name"]) for scheme in schemes.values()} == {("header", "X-Key"), ("query", "user")}


def test_texts_come_from_docstrings_and_documented_wins() -> None:
    @on_http("GET /one")
    def one() -> None:
        """First,
        in two lines.

        And more.
        """

    @on_http("GET /two")
    @documented(summary="Mine.", tags="odd", deprecated=True)
    def two() -> None:
        """Not this.

        But this.
        """

    paths = document(one, two)["paths"]
    assert (paths["/one"]["get"]["summary"], paths["/one"]["get"]["description"]) == (
        "First, in two lines.",
        "And more.",
    )
    found = paths["/two"]["get"]
    assert (found["summary"], found["description"], found["tags"]) == ("Mine.", "But this.", ["odd"])
    assert found["deprecated"] is True
    assert "/hidden" not in FLAVOURS["paths"]


def test_an_explicit_method_wins_over_any_and_templates_that_differ_in_names_are_one() -> None:
    @on_http("GET /orders/{id}")
    def read(id: int) -> int:
        return id

    @on_http("ANY /orders/{order_id}")
    def rest(order_id: str) -> str:
        return order_id

    found = written(read, rest)
    [(path, item)] = found.document["paths"].items()
    assert path == "/orders/{id}"
    assert item["get"]["operationId"] == "read"
    assert item["delete"]["operationId"] == "rest_delete"
    assert item["delete"]["parameters"][0]["name"] == "id"
    assert found.left_out == []


def test_default_takes_what_is_left() -> None:
    @on_http("GET /")
    def root() -> str:
        return ""

    @on_http("$default")
    def others() -> str:
        return ""

    paths = document(root, others)["paths"]
    assert paths["/"]["get"]["operationId"] == "root"
    assert paths["/"]["post"]["operationId"].startswith("others_post")
    assert paths["/{path+}"]["get"]["parameters"][0]["name"] == "path+"


def test_rules_that_only_differ_in_what_a_document_cannot_tell_are_reported() -> None:
    @on_alb("/a", host_header="one.example.com")
    def one() -> dict[str, Any]:
        return {"statusCode": 200}

    @on_alb("/a", host_header="two.example.com")
    def two() -> dict[str, Any]:
        return {"statusCode": 200}

    found = written(one, two)
    [line] = found.left_out
    assert line.startswith("two: GET, PUT")
    assert line.endswith("/a is one's in the document")


def test_methods_that_a_document_cannot_have_are_reported() -> None:
    @on_alb("/a", http_request_method=["PURGE", "GET"])
    def rule() -> dict[str, Any]:
        return {"statusCode": 200}

    found = written(rule)
    assert list(found.document["paths"]["/a"]) == ["get"]
    assert found.left_out == ["rule: PURGE /a has a method that no document can have"]


def test_wildcards_of_rules_become_parameters() -> None:
    @on_alb(["/a/*", "/v?/x"], http_request_method="GET", http_header={"x-kind": ["b*"]})
    def rule() -> dict[str, Any]:
        return {"statusCode": 200}

    paths = document(rule)["paths"]
    assert list(paths) == ["/a/{any1+}", "/v{one1}/x"]
    assert paths["/v{one1}/x"]["get"]["parameters"][0]["schema"] == {"type": "string", "minLength": 1, "maxLength": 1}
    header = paths["/a/{any1+}"]["get"]["parameters"][1]
    assert (header["name"], header["schema"]["description"]) == ("x-kind", "One of b*.")


def test_a_function_url_has_a_document_of_its_own() -> None:
    @on_http("GET /")
    def root() -> None: ...

    @on_function_url()
    def chat(event: HttpEvent) -> dict[str, str]:
        return {}

    assert list(document(root, chat)["paths"]) == ["/"]
    assert list(document(chat)["paths"]) == ["/", "/{path+}"]
    own = document(root, chat, function_url="chat")
    assert own["paths"]["/"]["post"]["operationId"] == "chat_post"
    assert response(own, own["paths"]["/"]["get"], "502")["content"]["text/plain"]["schema"]["const"]
    with pytest.raises(ConfigurationError, match="no function URL of 'root'"):
        document(root, chat, function_url="root")


@pytest.mark.parametrize(
    ("name", "statuses"), [("stream", "200 400 413 429 431 502 503"), ("prelude", "400 413 429 431 502 503 default")]
)
def test_streams_are_octets_unless_they_begin_as_they_like(name: str, statuses: str) -> None:
    plan = App.from_module(flavours_app).freeze(Environment())
    found = openapi_of(plan, function_url=name).document
    operation = found["paths"]["/"]["get"]
    assert " ".join(operation["responses"]) == statuses
    if name == "stream":
        assert list(operation["responses"]["200"]["content"]) == ["application/octet-stream"]


def test_title_version_and_servers() -> None:
    @on_http("GET /")
    def root() -> None: ...

    plan = App([root], name="shop", version="2.0.0").freeze(Environment())
    assert openapi_of(plan).document["info"] == {"title": "shop", "version": "2.0.0"}
    told = openapi_of(plan, title="Shop", version="3", servers=["https://shop.example.com"]).document
    assert told["info"] == {"title": "Shop", "version": "3"}
    assert told["servers"] == [{"url": "https://shop.example.com"}]


def test_models_of_the_same_name_keep_apart() -> None:
    def model(annotation: Any) -> type[BaseModel]:
        return type(
            "Order", (BaseModel,), {"__annotations__": {"id": annotation}, "__module__": f"m_{annotation.__name__}"}
        )

    texts, numbers = model(str), model(int)

    def one(order: Any) -> None: ...

    def two(order: Any) -> None: ...

    one.__annotations__["order"], two.__annotations__["order"] = texts, numbers
    described = document(on_http("POST /one")(one), on_http("POST /two")(two))
    kinds = set()
    for path in ("/one", "/two"):
        schema = described["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        kinds.add(described["components"]["schemas"][name]["properties"]["id"]["type"])
    assert kinds == {"string", "integer"}


def test_a_status_that_is_none_is_refused() -> None:
    @on_http("GET /")
    @documented(responses={99: None})
    def root() -> None: ...

    with pytest.raises(ConfigurationError, match="responses: 99 is not allowed"):
        App([root]).freeze(Environment())


class Order(BaseModel):
    id: Annotated[int, Field(ge=1)]


async def test_the_servers_own_answers_are_what_the_document_says() -> None:
    @http_authorizer()
    def nobody(event: dict[str, Any]) -> dict[str, Any]:
        return {"isAuthorized": False}

    @on_http("POST /orders/{id}", authorizer=nobody)
    @on_http("PUT /orders/{id}")
    @on_rest("PUT /rest/{id}")
    @on_alb("/alb", http_request_method="PUT")
    @documented(responses={200: None})
    def put(order: Order) -> dict[str, Any]:
        raise ValueError(order.id)

    described = document(put, nobody)
    bad, good = b'{"id": 0}', b'{"id": 1}'
    wanted = {"authorization": "x"}
    requests: list[tuple[str, str, str, bytes, dict[str, str], str]] = [
        ("/orders/{id}", "PUT", "/orders/1", bad, {}, "400"),
        ("/orders/{id}", "PUT", "/orders/1", good, {}, "500"),
        ("/orders/{id}", "PUT", "/orders/", good, {}, "404"),
        ("/orders/{id}", "PUT", "/orders/1", b" " * 10_485_761, {}, "413"),
        ("/orders/{id}", "PUT", "/orders/1", good, {"x": "y" * 20_000}, "431"),
        ("/orders/{id}", "POST", "/orders/1", good, {}, "401"),
        ("/orders/{id}", "POST", "/orders/1", good, wanted, "403"),
        ("/rest/{id}", "PUT", "/rest/1", good, {}, "502"),
        ("/rest/{id}", "PUT", "/rest/1", b" " * 10_485_761, {}, "413"),
        ("/alb", "PUT", "/alb", good, {}, "502"),
        ("/alb", "PUT", "/alb", b" " * 1_048_577, {}, "413"),
        ("/alb", "PUT", "/alb", good, {"upgrade": "websocket"}, "400"),
    ]
    with running(put, nobody) as served:
        for template, method, path, body, headers, status in requests:
            reply = await served.client.request(method, path, body, headers=headers)
            assert str(reply.status) == status, (method, path, reply)
            content = response(described, described["paths"][template][method.lower()], status)["content"]
            media_type = (reply.header("content-type") or "").partition(";")[0]
            value = reply.json() if media_type == "application/json" else reply.body.decode()
            assert fits(described, content[media_type]["schema"], value), (method, path, value)


async def test_results_fit_their_schemas() -> None:
    with running(flavours_app.areas, flavours_app.make_part) as served:
        reply = await served.client.get("/areas", query="colour=red")
        schema = FLAVOURS["paths"]["/areas"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert fits(FLAVOURS, schema, reply.json())
        assert json.loads(reply.body)[0]["corners"] == [{"x": 0, "y": 1.5}]
        part = {"colour": "red", "weight": "1.5", "made": "2026-01-31"}
        reply = await served.client.post("/parts", json.dumps(part).encode())
        schema = FLAVOURS["paths"]["/parts"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert fits(FLAVOURS, schema, reply.json())


async def test_the_pages_are_served_only_when_asked_for() -> None:
    @on_http("GET /{name}")
    def named(name: str) -> dict[str, str]:
        return {"name": name}

    with running(named) as served:
        assert (await served.client.get("/docs")).json() == {"name": "docs"}
    with running(named, docs=True) as served:
        page = await served.client.get("/docs")
        assert (page.status, page.header("content-type")) == (200, "text/html; charset=utf-8")
        assert b'fetch("openapi.json")' in page.body
        assert b"http://" not in page.body
        assert b"https://" not in page.body
        found = await served.client.get("/openapi.json")
        assert found.json() == document(named)
        refused = await served.client.post("/docs", b"")
        assert (refused.status, refused.header("allow")) == (405, "GET, HEAD")


async def test_a_route_with_the_very_path_of_a_page_wins() -> None:
    @on_http("GET /docs")
    def mine() -> str:
        return "mine"

    with running(mine, docs=True) as served:
        assert (await served.client.get("/docs")).body == b"mine"
        assert (await served.client.get("/openapi.json")).status == 200
