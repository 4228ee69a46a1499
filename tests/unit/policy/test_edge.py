"""Which answers of functions at the edge CloudFront takes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from eventflow.model.callers import EdgeEventType
from eventflow.model.outcome import FunctionFailed, Succeeded, Throttled, ThrottleReason, TimedOut
from eventflow.policy.edge import edge_problem, outcome_error, validation_error
from eventflow.policy.edge_headers import READ_ONLY, custom_header_problem, header_problems

VIEWER_REQUEST, ORIGIN_REQUEST, ORIGIN_RESPONSE, VIEWER_RESPONSE = EdgeEventType
DISALLOWED = """
Connection Expect Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection Trailer Upgrade X-Accel-Buffering
X-Accel-Charset X-Accel-Limit-Rate X-Accel-Redirect X-Amz-Cf-Id X-Amz-Cf-Anything X-Amzn-Auth X-Amzn-Cf-Billing
X-Amzn-Cf-Id X-Amzn-Cf-Xff X-Amzn-Errortype X-Amzn-Fle-Profile X-Amzn-Header-Count X-Amzn-Header-Order
X-Amzn-Lambda-Integration-Tag X-Amzn-RequestId X-Cache X-Edge-Anything X-Forwarded-Proto X-Real-IP
""".lower().split()
"""As the guide lists them, written down a second time."""
REQUEST: dict[str, Any] = {
    "clientIp": "1.2.3.4",
    "method": "POST",
    "uri": "/a",
    "querystring": "b=c",
    "headers": {"host": [{"key": "Host", "value": "site.example"}], "content-length": [{"value": "4"}]},
}
BODY: dict[str, Any] = {"inputTruncated": False, "action": "read-only", "encoding": "base64", "data": "AAAA"}
CUSTOM: dict[str, Any] = {
    "customHeaders": {},
    "domainName": "127.0.0.1",
    "keepaliveTimeout": 5,
    "path": "",
    "port": 90,
    "protocol": "http",
    "readTimeout": 30,
    "sslProtocols": ["TLSv1.2"],
}
RESPONSE: dict[str, Any] = {"status": "200", "statusDescription": "OK", "headers": {"via": [{"value": "1.1 a"}]}}
KB = 1024


def headers(**values: str) -> dict[str, list[dict[str, str]]]:
    return {name.replace("_", "-"): [{"value": value}] for name, value in values.items()}


def problem(event_type: EdgeEventType, answer: object, **given: Any) -> str | None:
    return edge_problem(event_type, {"request": REQUEST, **given}, answer)


def viewer(**changes: Any) -> str | None:
    """The problem of a request of a viewer with these changes."""
    return problem(VIEWER_REQUEST, {**REQUEST, **changes})


def with_body(event_type: EdgeEventType = VIEWER_REQUEST, **changes: Any) -> str | None:
    """The problem of a body with these changes."""
    given = {**REQUEST, "body": BODY}
    return edge_problem(event_type, {"request": given}, {**given, "body": {**BODY, **changes}})


def origin(origin: object, **request: Any) -> str | None:
    """The problem of another origin."""
    given = {**REQUEST, "origin": {"custom": CUSTOM}}
    return edge_problem(ORIGIN_REQUEST, {"request": given}, {**given, "origin": origin, **request})


def custom(**changes: Any) -> str | None:
    return origin({"custom": {**CUSTOM, "domainName": "a.example", "port": 443, **changes}})


def response(event_type: EdgeEventType, **changes: Any) -> str | None:
    """The problem of the origin's response with these changes."""
    return problem(event_type, {**RESPONSE, **changes}, response=RESPONSE)


# Headers


@pytest.mark.parametrize("event_type", EdgeEventType)
@pytest.mark.parametrize("name", DISALLOWED)
def test_disallowed_headers_are_refused_everywhere(event_type: EdgeEventType, name: str) -> None:
    assert list(header_problems(event_type, {}, {name: [{"value": "1"}]})) == [f"the header {name} is disallowed"]


@pytest.mark.parametrize(
    ("event_type", "names"),
    [
        (VIEWER_REQUEST, "Content-Length Host Transfer-Encoding Via"),
        (
            ORIGIN_REQUEST,
            "Accept-Encoding Content-Length If-Modified-Since If-None-Match If-Range If-Unmodified-Since "
            "Transfer-Encoding Via",
        ),
        (ORIGIN_RESPONSE, "Transfer-Encoding Via"),
        (VIEWER_RESPONSE, "Warning Via"),
    ],
)
def test_read_only_headers_are_neither_added_nor_changed_nor_removed(event_type: EdgeEventType, names: str) -> None:
    assert READ_ONLY[event_type] == set(names.lower().split())
    for name in READ_ONLY[event_type]:
        one, other = {name: [{"key": name.title(), "value": "1"}]}, {name: [{"value": "2"}]}
        for before, after in ((one, other), ({}, one), (one, {}), (one, None), (one, {name: []})):
            expected = [f"the header {name} is read-only in a {event_type}"]
            assert list(header_problems(event_type, before, after)) == expected
        assert list(header_problems(event_type, one, {name: [{"value": "1"}]})) == []


def test_the_host_may_be_changed_for_the_origin() -> None:
    assert list(header_problems(ORIGIN_REQUEST, headers(host="a"), headers(host="b"))) == []


def test_the_viewers_country_cannot_be_made_up() -> None:
    added = headers(cloudfront_viewer_country="FR")
    assert list(header_problems(VIEWER_REQUEST, {}, added)) == [
        "the header cloudfront-viewer-country cannot be added in a viewer-request"
    ]
    assert list(header_problems(VIEWER_REQUEST, added, headers(cloudfront_viewer_country="DE"))) == []
    assert list(header_problems(ORIGIN_REQUEST, {}, added)) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "headers is not an object"),
        ({"X-A": [{"value": "1"}]}, "'X-A' is not the name of a header in lower case"),
        ({"x a": [{"value": "1"}]}, "'x a' is not the name of a header in lower case"),
        ({"": [{"value": "1"}]}, "'' is not the name of a header in lower case"),
        ({"x-a": "1"}, "the header x-a is not a list of objects with a value that is text"),
        ({"x-a": [{"value": 1}]}, "the header x-a is not a list of objects with a value that is text"),
        ({"x-a": [{"key": "X-A"}]}, "the header x-a is not a list of objects with a value that is text"),
        ({"x-a": [{"value": "a\r\nb"}]}, "the header x-a has a value with control characters"),
        ({"x-a": [{"value": "\ud800"}]}, "the header x-a has a value with control characters"),
        ({"x-a": [{"key": "X-B", "value": "1"}]}, "the header x-a has a key that is not its name"),
    ],
)
def test_headers_of_another_shape_are_refused(wrong: object, message: str) -> None:
    assert viewer(headers=wrong) == message
    assert response(ORIGIN_RESPONSE, headers=wrong) == message


def test_headers_need_no_key() -> None:
    assert list(header_problems(VIEWER_REQUEST, {}, {"x-a": [{"value": "1"}, {"key": None, "value": "2"}]})) == []


@pytest.mark.parametrize("name", ["Cache-Control", "Host", "X-Amz-Meta", "X-Edge-Key", "Via", "X-Cache", "a b"])
def test_custom_headers_of_an_origin_are_not_cloudfronts_own(name: str) -> None:
    assert custom_header_problem(name, "1")
    assert custom(customHeaders={name.lower(): [{"value": "1"}]})


def test_custom_headers_have_values() -> None:
    assert custom_header_problem("X-Key", "secret") is None
    assert custom_header_problem("X-Key", "a\nb") == "'X-Key' is no header, or its value is none"


# Requests


def test_a_request_as_it_came_is_taken() -> None:
    assert viewer() is None
    assert with_body() is None
    assert origin({"custom": CUSTOM}) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "GET"}, "method is read-only"),
        ({"clientIp": "4.3.2.1"}, "clientIp is read-only"),
        ({"uri": "a"}, "uri does not begin with a slash"),
        ({"uri": None}, "uri does not begin with a slash"),
        ({"querystring": 1}, "querystring is not text"),
        ({"uri": "/a b"}, "uri or querystring has a space, a control character or a #"),
        ({"querystring": "a#b"}, "uri or querystring has a space, a control character or a #"),
        ({"querystring": "a\nb"}, "uri or querystring has a space, a control character or a #"),
        ({"uri": "/" + "x" * 8_187}, "uri and querystring have 8,192 characters or more"),
        ({"body": {}}, "the function was given no body (include_body)"),
        ({"body": "text"}, "body is not an object"),
        ({"origin": {"custom": CUSTOM}}, "a viewer-request has no origin"),
    ],
)
def test_what_a_function_of_a_viewers_request_cannot_change(changes: dict[str, Any], message: str) -> None:
    assert viewer(**changes) == message


def test_a_url_may_have_up_to_8191_characters() -> None:
    assert viewer(uri="/" + "x" * 8_186) is None
    assert viewer(uri="/" + "x" * 8_190, querystring="") is None
    assert viewer(uri="/" + "x" * 8_191, querystring="") == "uri and querystring have 8,192 characters or more"


def test_a_url_as_it_came_is_the_viewers_affair() -> None:
    given = {**REQUEST, "uri": "/" + "x" * 9_000}
    assert edge_problem(VIEWER_REQUEST, {"request": given}, given) is None


def test_fields_that_were_left_out_are_unchanged() -> None:
    answer = {"uri": "/b", "headers": REQUEST["headers"]}
    assert problem(VIEWER_REQUEST, answer) is None
    assert problem(VIEWER_REQUEST, {"headers": REQUEST["headers"]}) == "it is neither a request nor a response"


@pytest.mark.parametrize(("event_type", "limit"), [(VIEWER_REQUEST, 40 * KB), (ORIGIN_REQUEST, 1024 * KB)])
def test_a_replaced_body_has_a_limit(event_type: EdgeEventType, limit: int) -> None:
    given = {**REQUEST, "body": BODY}
    if event_type is ORIGIN_REQUEST:
        given["origin"] = {"custom": CUSTOM}

    def replaced(encoding: str, data: str) -> str | None:
        answer = {**given, "body": {"action": "replace", "encoding": encoding, "data": data}}
        return edge_problem(event_type, {"request": given}, answer)

    over = f"the body has {limit + 1:,} bytes, and a {event_type} may give {limit:,}"
    assert replaced("text", "x" * limit) is None
    assert replaced("text", "x" * (limit + 1)) == over
    assert replaced("base64", base64.b64encode(b"x" * limit).decode()) is None
    assert replaced("base64", base64.b64encode(b"x" * (limit + 1)).decode()) == over


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputTruncated": True}, "inputTruncated is read-only"),
        ({"action": "append"}, "the body's action is neither read-only nor replace"),
        ({"action": "replace", "data": "A"}, "the body is not base64"),
        ({"action": "replace", "data": 1}, "the body is not text"),
        ({"action": "replace", "encoding": "gzip"}, "the encoding of the body is neither text nor base64"),
        ({"action": "replace", "encoding": "text", "data": "\ud800"}, "the body is not valid text"),
    ],
)
def test_what_a_body_cannot_be(changes: dict[str, Any], message: str) -> None:
    assert with_body(**changes) == message


# Origins


@pytest.mark.parametrize(
    "domain", ["", "a:1", "1.2.3.4", "127.1", "2130706433", "0x7f.0x1", "a b", "a/b", "[::1]", "x" * 254, None, "-a"]
)
def test_a_chosen_origin_is_a_domain_name(domain: object) -> None:
    assert custom(domainName=domain) == "the origin's domainName is no domain name"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"port": 22}, "port"),
        ({"port": "443"}, "port"),
        ({"port": True}, "port"),
        ({"port": 65_536}, "port"),
        ({"protocol": "ftp"}, "protocol"),
        ({"readTimeout": 3}, "readTimeout"),
        ({"readTimeout": 61}, "readTimeout"),
        ({"keepaliveTimeout": 0}, "keepaliveTimeout"),
        ({"sslProtocols": ["TLSv9"]}, "sslProtocols"),
        ({"sslProtocols": "TLSv1"}, "sslProtocols"),
        ({"path": "a"}, "path"),
        ({"path": "/a/"}, "path"),
        ({"path": "/" + "x" * 255}, "path"),
        ({"path": "/a?b"}, "path"),
        ({"customHeaders": []}, "headers is not an object"),
        ({"customHeaders": {"host": [{"value": "a"}]}}, "host"),
    ],
)
def test_what_an_origin_cannot_be(changes: dict[str, Any], word: str) -> None:
    found = custom(**changes)
    assert found is not None
    assert word in found


def test_an_origin_of_the_functions_own_is_taken() -> None:
    assert custom(path="/a/b", readTimeout=4, keepaliveTimeout=60, customHeaders={"x-key": [{"value": "1"}]}) is None


@pytest.mark.parametrize("wrong", [None, {}, "a.example", {"custom": None}, {"custom": CUSTOM, "s3": {}}, {"s3": 1}])
def test_there_is_one_origin(wrong: object) -> None:
    assert origin(wrong) == "origin is neither one custom nor one s3 origin"


def test_a_header_is_the_requests_or_the_origins() -> None:
    both = {"customHeaders": {"x-key": [{"value": "1"}]}}
    message = "the header x-key is among those of the request and of the origin"
    assert origin({"custom": {**CUSTOM, **both}}, headers={**REQUEST["headers"], **headers(x_key="2")}) == message


@pytest.mark.parametrize(
    ("bucket", "word"),
    [
        ({"domainName": "Site.s3.amazonaws.com", "authMethod": "none"}, "domainName"),
        ({"domainName": "127.0.0.1", "authMethod": "none"}, "domainName"),
        ({"domainName": "site.s3.amazonaws.com"}, "authMethod"),
        ({"domainName": "site.s3.amazonaws.com", "authMethod": "origin-access-identity"}, "origin-access-identity"),
        ({"domainName": "site.s3.amazonaws.com", "authMethod": "none", "path": "www"}, "path"),
    ],
)
def test_what_a_bucket_cannot_be(bucket: dict[str, Any], word: str) -> None:
    found = origin({"s3": bucket})
    assert found is not None
    assert word in found


def test_a_bucket_takes_an_origins_place() -> None:
    assert origin({"s3": {"domainName": "site.s3.amazonaws.com", "authMethod": "none", "path": "/www"}}) is None


# Responses


@pytest.mark.parametrize("status", ["200", "599", 302])
def test_a_status_is_text_or_a_number(status: object) -> None:
    assert problem(VIEWER_REQUEST, {"status": status}) is None


@pytest.mark.parametrize("status", ["199", "600", 99, True, None, "abc", 200.0, "2000"])
def test_a_status_is_from_200_to_599(status: object) -> None:
    assert problem(VIEWER_REQUEST, {"status": status}) == "its status is not from 200 to 599"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"status": "200", "body": {"a": 1}}, "the response is not text"),
        ({"status": "200", "body": "?", "bodyEncoding": "base64"}, "the response is not base64"),
        (
            {"status": "200", "body": "a", "bodyEncoding": "gzip"},
            "the encoding of the response is neither text nor base64",
        ),
        ({"status": "200", "statusDescription": 1}, "its statusDescription is not text"),
        ({"status": "204", "body": "a"}, "a response with the status 204 has no body"),
        (
            {"status": "200", "headers": headers(content_length="1")},
            "the header content-length is read-only in a viewer-request",
        ),
    ],
)
def test_what_a_generated_response_cannot_be(answer: dict[str, Any], message: str) -> None:
    assert problem(VIEWER_REQUEST, answer) == message


def test_an_empty_body_is_none() -> None:
    assert problem(VIEWER_REQUEST, {"status": "204", "body": ""}) is None
    assert problem(VIEWER_REQUEST, {"status": "200", "body": None, "headers": None}) is None


@pytest.mark.parametrize(
    ("event_type", "limit"), [(VIEWER_REQUEST, 40 * KB), (ORIGIN_REQUEST, 1024 * KB), (ORIGIN_RESPONSE, 1024 * KB)]
)
def test_a_generated_response_has_a_limit_headers_included(event_type: EdgeEventType, limit: int) -> None:
    beside = len("x-a: 12\r\n")

    def generated(size: int) -> str | None:
        given = {"response": {"status": "200"}} if event_type is ORIGIN_RESPONSE else {}
        return problem(event_type, {"status": "200", "headers": headers(x_a="12"), "body": "x" * size}, **given)

    assert generated(limit - beside) is None
    over = f"the response has {limit + 1:,} bytes, and a {event_type} may give {limit:,}"
    assert generated(limit - beside + 1) == over


def test_a_response_of_the_origin_may_become_another() -> None:
    assert response(ORIGIN_RESPONSE, status="404", body="gone", bodyEncoding="text") is None
    assert response(ORIGIN_RESPONSE) is None


@pytest.mark.parametrize("answer", [None, REQUEST, {"headers": {}}, []])
@pytest.mark.parametrize("event_type", [ORIGIN_RESPONSE, VIEWER_RESPONSE])
def test_a_response_is_answered_with_a_response(event_type: EdgeEventType, answer: object) -> None:
    assert problem(event_type, answer, response=RESPONSE) == "it is no response"


def test_a_response_on_its_way_to_the_viewer_keeps_its_status_and_its_body() -> None:
    assert response(VIEWER_RESPONSE, status="201") == "the status is read-only in a viewer-response"
    assert response(VIEWER_RESPONSE, body="x") == "a viewer-response cannot change the body"
    assert response(VIEWER_RESPONSE, status=200) is None
    assert response(VIEWER_RESPONSE, headers={**RESPONSE["headers"], **headers(x_a="1")}) is None


# Failures


def test_what_a_viewer_gets_of_each_outcome() -> None:
    assert outcome_error(Succeeded({})) is None
    failed = outcome_error(FunctionFailed("ValueError", "secret"))
    assert failed is not None
    assert (failed.status, failed.result, "secret" in failed.message) == (503, "LambdaExecutionError", False)
    for outcome in (Throttled(ThrottleReason.FUNCTION), TimedOut(5.0, "id"), None):
        limited = outcome_error(outcome)
        assert limited is not None
        assert (limited.status, limited.result) == (503, "LambdaLimitExceeded")
    assert validation_error("no")[:2] == (502, "LambdaValidationError")
