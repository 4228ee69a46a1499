"""Arbitrary requests through the codecs of every flavour, and arbitrary results back.

What must hold: nothing crashes; an event is JSON, is recognised as its flavour's, and comes back from its model as it
was; its body is the client's; a response parses, by a parser nobody here wrote, as exactly one message whose body is
ours, however the function tried to break out of a header; and no response is larger than Lambda's limit.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import h11
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from eventflow.events import codec_for
from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.model.http_prelude import HttpPrelude
from eventflow.plan.alb_request import AlbRequest, UnreadableRequestError
from eventflow.plan.http_request import FunctionUrlRequest, HttpRequest
from eventflow.plan.rest_request import HttpV1Request, RestRequest
from eventflow.policy.rest_resources import ResourceTree, parse_resource
from eventflow.policy.routes import Match, RouteTable, parse_route_key
from eventflow.runtime.http.answers import Answer, send_answer
from eventflow.runtime.http.flavours import (
    HTTP_API,
    Flavour,
    FunctionUrlFront,
    HttpApiV1,
    LoadBalancer,
    RestApi,
)
from eventflow.runtime.http.response_fields import header_value, single_headers, status_of

T = TypeVar("T")

FLAVOURS: Final[Mapping[Service, Flavour]] = {
    Service.HTTP: HTTP_API,
    Service.HTTP_V1: HttpApiV1(),
    Service.REST: RestApi(("image/png", "application/*")),
    Service.FUNCTION_URL: FunctionUrlFront("f.lambda-url.us-east-1.on.aws"),
    Service.ALB: LoadBalancer("arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/f/0", multi_value=False),
}
REQUESTS: Final[Mapping[Service, Callable[..., HttpRequest]]] = {
    Service.HTTP: HttpRequest,
    Service.HTTP_V1: HttpV1Request,
    Service.REST: partial(RestRequest, binary_media_types=("image/png", "application/*")),
    Service.FUNCTION_URL: partial(FunctionUrlRequest, domain="f.lambda-url.us-east-1.on.aws"),
    Service.ALB: partial(AlbRequest, target_group="arn:aws:elasticloadbalancing:1:1:targetgroup/f/0", multi_value=True),
}
_ROUTES: Final = ("GET /a/{id}", "ANY /{proxy+}", "POST /a/b", "GET /{x}/{y+}", "GET /")
_API: Final = RouteTable([*[(parse_route_key(key), key) for key in _ROUTES], (parse_route_key("$default"), "$default")])
_REST: Final = ResourceTree([(parse_resource(key), key) for key in _ROUTES])

# Requests, as a server hands them on: header names are tokens in lower case, values have no control characters.
_names = st.text("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12).map(str.encode)
_known = st.sampled_from(
    [
        b"content-type", b"content-encoding", b"cookie", b"host", b"accept", b"x-forwarded-for", b"x-forwarded-port",
        b"user-agent", b"upgrade", b"authorization",
    ]
)  # fmt: skip


def _mostly(common: st.SearchStrategy[T], rare: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Hypothesis likes what is odd, and a case with many parts would hardly ever get past the first check."""
    return st.integers(0, 7).flatmap(lambda number: rare if number == 7 else common)


_plain_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.encode)
_odd_values = st.binary(max_size=30).map(lambda data: bytes(byte for byte in data if byte >= 32 and byte != 127))
_values = _mostly(_plain_values, _odd_values)
_types = st.sampled_from([b"text/plain", b"application/json; charset=x", b"image/png", b"", b"multipart/form-data"])
_headers = st.lists(st.tuples(_names | _known, _values | _types), max_size=8)
_plain_text = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=30)
_odd_text = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="?#\x7f"), max_size=30)
_paths = _mostly(_plain_text, _odd_text).map(lambda text: "/" + text) | st.sampled_from(
    ["/", "//", "/a/%2F", "/%", "/a/b/", "/a//b", "/%zz/%e2%82", "*", "http://x/y"]
)
_queries = _mostly(_plain_text, _odd_text) | st.sampled_from(
    ["a=1&a=2", "%&=%zz", "a=%ff", "&&==", "a;b", "q=" + "%41" * 20]
)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PROPFIND"]),
        "path": _paths,
        "query_string": _queries,
        "headers": _headers,
        "body": _mostly(st.text(max_size=100).map(str.encode), st.binary(max_size=200)),
        "source_ip": st.sampled_from(["", "192.0.2.1", "::1"]),
    }
)

# Results, as functions return them: mostly shaped like responses, with anything in any place.
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_evil = st.sampled_from(
    [
        "x\r\nset-cookie: a=1", "\r\n\r\nHTTP/1.1 200 OK", "a\x00b", "a\nb", "transfer-encoding", "content-length",
        "Content-Length", "Transfer-Encoding", "connection", "\u2028", "\ud800", "x: y", " lead", "", "\x0b", "\x85",
        "host", "\u017f", "\u212a",
    ]
)  # fmt: skip
_words = st.text("abcXYZ019-_", min_size=1, max_size=12)
_texts = _mostly(_words, _evil | st.text(max_size=20))
_fields = st.none() | _json | st.dictionaries(_texts, _texts | _json | st.lists(_texts, max_size=3), max_size=4)
responses = st.dictionaries(
    st.sampled_from(["statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded", "extra"]),
    _fields | _texts | st.lists(_texts, max_size=3) | st.integers(-1, 700) | st.sampled_from([200, 204, 304, "200"]),
    max_size=6,
)
plain_responses = st.fixed_dictionaries(
    {"statusCode": st.sampled_from([200, 201, 204, 304, 404, "200"])},
    optional={
        "headers": st.dictionaries(_texts, _texts, max_size=4),
        "multiValueHeaders": st.dictionaries(_texts, st.lists(_texts, max_size=3), max_size=3),
        "cookies": st.lists(_texts, max_size=3),
        "body": st.text(max_size=100) | _evil,
        "isBase64Encoded": st.booleans(),
    },
)
results = _json | responses | plain_responses
_statuses = _mostly(st.sampled_from([200, 201, 204, 304, 404]), st.integers(-1, 700) | _json)
preludes = st.builds(HttpPrelude, _statuses, st.dictionaries(_texts, _texts, max_size=4), st.lists(_texts, max_size=3))


class Count:
    """What was tried."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return sum(count for name, count in self.cases.items() if name.endswith(("requests", "results", "preludes")))

    def __str__(self) -> str:
        return "\n".join(f"{name:24} {count:>9,}" for name, count in sorted(self.cases.items()))


def request_holds(service: Service, facts: Mapping[str, Any], count: Count) -> None:
    """Whether a request becomes a sound event."""
    tree: Any = _REST if service is Service.REST else _API
    found = tree.match(facts["method"], facts["path"])
    parameters = found.path_parameters if isinstance(found, Match) else {}
    key = found.route_key.text if isinstance(found, Match) else "$default"
    request = REQUESTS[service](
        **facts, route_key=key, path_parameters=parameters, protocol="HTTP/1.1", request_id="r-1", time=1.5
    )
    count.cases[f"{service}: requests"] += 1
    try:
        wire = request.wire()
    except UnreadableRequestError:
        assert service is Service.ALB
        count.cases[f"{service}: refused"] += 1
        return
    text = json.dumps(wire, ensure_ascii=False)
    codec: Any = codec_for(service)
    assert codec.recognises(wire)
    event = codec.event_model.model_validate(json.loads(text))
    assert event.to_wire() == wire
    assert event.body_bytes == facts["body"]
    assert len(text) < 20 * (sum(len(part) for pair in facts["headers"] for part in pair) + 1_000)


def result_holds(service: Service, value: Any, count: Count) -> None:
    """Whether a result becomes one message, or is refused."""
    flavour = FLAVOURS[service]
    request = REQUESTS[service](
        method="GET", path="/", query_string="", headers=[(b"accept", b"image/png")], body=b"", route_key="GET /",
        path_parameters={}, source_ip="", protocol="HTTP/1.1", request_id="r-1", time=1.5,
    )  # fmt: skip
    count.cases[f"{service}: results"] += 1
    try:
        answer = flavour.answer_of(value, request)
    except Exception as exc:  # noqa: BLE001 (what the runtime does with a value that is no response)
        count.cases[f"{service}: no response"] += 1
        answer = flavour.no_answer(exc)
    _is_one_message(answer, flavour.identity("r-1"))


def prelude_holds(prelude: HttpPrelude, count: Count) -> None:
    """Whether a streamed response's head is one head, or is refused."""
    count.cases["stream: preludes"] += 1
    try:
        status = status_of(prelude.status_code)
        headers = list(single_headers(dict(prelude.headers)))
        headers += [(b"set-cookie", header_value("set-cookie", cookie)) for cookie in prelude.cookies]
    except (ValueError, TypeError):
        count.cases["stream: refused"] += 1
        return
    _is_one_message(Answer(status, headers, b"body"), ())


def _is_one_message(answer: Answer, identity: Sequence[tuple[bytes, bytes]]) -> None:
    assert len(answer.body) <= limits.SYNCHRONOUS_RESPONSE_BYTES
    status, sent, body = _sent(answer, identity)
    wire = b"".join([b"HTTP/1.1 %d X\r\n" % status, *(b"%b: %b\r\n" % header for header in sent), b"\r\n", body])
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(wire)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    assert (response.status_code, len(list(response.headers))) == (status, len(sent))
    assert [(name, value) for name, value in response.headers] == sent
    received = b""
    while isinstance(event := client.next_event(), h11.Data):
        received += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert received == body
    assert client.trailing_data[0] == b""
    names = [name for name, _ in sent]
    assert names.count(b"content-length") <= 1
    assert b"transfer-encoding" not in names


def _sent(answer: Answer, identity: Sequence[tuple[bytes, bytes]]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """What our sender gives to the server."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    running = send_answer({"method": "GET"}, send, answer, identity)
    with suppress(StopIteration):
        running.send(None)
    start, body = messages
    return start["status"], list(start["headers"]), body["body"]


def fuzz(examples: int, *, start: int, count: Count) -> None:
    """Try this many cases of each kind, the same ones for the same ``start``. Raises what did not hold."""
    limited = settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for service in FLAVOURS:
        _try(requests, partial(request_holds, service), limited, start, count)
        _try(results, partial(result_holds, service), limited, start, count)
    _try(preludes, prelude_holds, limited, start, count)


def _try(
    strategy: st.SearchStrategy[Any], holds: Callable[[Any, Count], None], limited: settings, start: int, count: Count
) -> None:
    @seed(start)
    @limited
    @given(strategy)
    def run(case: Any) -> None:
        holds(case, count)

    run()


def random_start() -> int:
    return random.SystemRandom().randrange(2**32)
