"""Signatures, against the ones that botocore makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningCredentials
from hypothesis import given
from hypothesis import strategies as st

from eventflow.errors import (
    ExpiredTokenError,
    IncompleteSignatureError,
    InvalidSignatureError,
    MissingAuthenticationTokenError,
    SignatureError,
    UnrecognizedClientError,
)
from eventflow.ports import Credentials, SignedRequest
from eventflow_aws.sigv4 import SigV4Verifier

SECRET = "a secret/with+odd=characters"
PLAIN = Credentials(access_key_id="KEY1", secret_access_key=SECRET)
TEMPORARY = Credentials(
    access_key_id="KEY2", secret_access_key="another", session_token="token==", expires_at=4_000_000_000
)
PATH = "/2015-03-31/functions/confirm/invocations"


@dataclass
class StoppedClock:
    now: float

    def time(self) -> float:
        return self.now


def verifier(now: float, *credentials: Credentials) -> Callable[[SignedRequest], str]:
    known = credentials or (PLAIN, TEMPORARY)
    return partial(SigV4Verifier(known, region="eu-west-1", clock=StoppedClock(now)).verify, service="lambda")


def signed(
    path: str = PATH,
    query: str = "",
    body: bytes = b'{"a":1}',
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    credentials: Credentials = PLAIN,
    region: str = "eu-west-1",
    service: str = "lambda",
) -> tuple[SignedRequest, float]:
    """A request that botocore signed, as it comes over the wire, and when that was."""
    url = f"http://127.0.0.1:8000{path}{'?' if query else ''}{query}"
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    signing = SigningCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    SigV4Auth(signing, service, region).add_auth(request)
    pairs = [(name.lower(), value) for name, value in request.headers.items()]
    pairs.append(("host", urlsplit(url).netloc))
    at = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return SignedRequest(method, path, query, pairs, body), at


def changed(request: SignedRequest, name: str, change: Callable[[str], str | None]) -> SignedRequest:
    """The request with another value of a header, or without it."""
    pairs = [(key, change(value) if key == name else value) for key, value in request.headers]
    return request._replace(headers=[(key, value) for key, value in pairs if value is not None])


def test_what_botocore_signed_is_known() -> None:
    request, at = signed()
    assert verifier(at)(request) == "KEY1"


def test_a_session_token_belongs_to_its_key() -> None:
    request, at = signed(credentials=TEMPORARY)
    assert verifier(at)(request) == "KEY2"
    for other in (lambda _: None, lambda _: "other"):
        with pytest.raises(UnrecognizedClientError):
            verifier(at)(changed(request, "x-amz-security-token", other))
    request, at = signed(headers={"X-Amz-Security-Token": "token=="})
    with pytest.raises(UnrecognizedClientError):
        verifier(at)(request)


def test_a_temporary_key_expires() -> None:
    request, _ = signed(credentials=TEMPORARY)
    with pytest.raises(ExpiredTokenError, match="expired"):
        verifier(4_000_000_000)(request)


def test_an_unknown_key_and_a_wrong_secret_are_told_apart() -> None:
    request, at = signed(credentials=Credentials(access_key_id="KEY3", secret_access_key=SECRET))
    with pytest.raises(UnrecognizedClientError):
        verifier(at)(request)
    request, at = signed(credentials=Credentials(access_key_id="KEY1", secret_access_key="guessed"))
    with pytest.raises(InvalidSignatureError, match="does not match the signature you provided"):
        verifier(at)(request)


@pytest.mark.parametrize(("late", "accepted"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_clocks_may_differ_by_five_minutes(late: int, accepted: bool) -> None:
    request, at = signed()
    if accepted:
        assert verifier(at + late)(request) == "KEY1"
        return
    with pytest.raises(InvalidSignatureError, match="Signature expired" if late > 0 else "Signature not yet current"):
        verifier(at + late)(request)


def test_what_was_signed_must_not_be_altered() -> None:
    request, at = signed(headers={"X-Amz-Invocation-Type": "Event"}, query="Qualifier=%24LATEST")
    altered = [
        request._replace(body=b'{"a":2}'),
        request._replace(method="PUT"),
        request._replace(path=PATH.replace("confirm", "delete")),
        request._replace(query=""),
        changed(request, "x-amz-invocation-type", lambda _: "DryRun"),
        changed(request, "x-amz-invocation-type", lambda _: None),
        changed(request, "host", lambda _: "elsewhere"),
    ]
    for other in altered:
        with pytest.raises(InvalidSignatureError):
            verifier(at)(other)


def test_what_means_something_must_be_signed() -> None:
    request, at = signed()
    added = request._replace(headers=[*request.headers, ("x-amz-source-arn", "arn:aws:s3:::other")])
    with pytest.raises(InvalidSignatureError, match="'x-amz-source-arn' must be a 'SignedHeader'"):
        verifier(at)(added)
    for name in ("host", "x-amz-date"):
        less = changed(request, "authorization", lambda value, name=name: without_signed(value, name))  # type: ignore[misc]
        with pytest.raises(InvalidSignatureError, match=f"'{name}' must be a 'SignedHeader'"):
            verifier(at)(less)


def without_signed(authorization: str, name: str) -> str:
    before, _, rest = authorization.partition("SignedHeaders=")
    names, _, after = rest.partition(",")
    return f"{before}SignedHeaders={';'.join(item for item in names.split(';') if item != name)},{after}"


def test_the_signed_headers_have_one_order_and_were_sent() -> None:
    request, at = signed()
    turned = changed(request, "authorization", lambda value: value.replace("host;x-amz-date", "x-amz-date;host"))
    with pytest.raises(InvalidSignatureError, match="sorted"):
        verifier(at)(turned)
    more = changed(request, "authorization", lambda value: value.replace("host;x-amz-date", "host;x-amz-date;x-b"))
    with pytest.raises(InvalidSignatureError, match="'x-b' is signed, but was not sent"):
        verifier(at)(more)


def test_a_declared_hash_is_that_of_the_body() -> None:
    body = b'{"a":1}'
    request, at = signed(body=body, headers={"X-Amz-Content-SHA256": sha256(body).hexdigest()})
    assert verifier(at)(request) == "KEY1"
    with pytest.raises(InvalidSignatureError, match="SHA-256 of the body"):
        verifier(at)(request._replace(body=b'{"a":2}'))
    request, at = signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    with pytest.raises(InvalidSignatureError, match="SHA-256 of the body"):
        verifier(at)(request)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "eu-west-2"}, "valid region: 'eu-west-1', not 'eu-west-2'"),
        ({"service": "s3"}, "correct service: 'lambda', not 's3'"),
    ],
)
def test_a_signature_is_for_one_place(options: dict[str, Any], message: str) -> None:
    request, at = signed(**options)
    with pytest.raises(InvalidSignatureError, match=message):
        verifier(at)(request)


def test_requests_without_a_signature_are_told_so() -> None:
    request = SignedRequest("POST", PATH, "", [("host", "x")], b"")
    with pytest.raises(MissingAuthenticationTokenError):
        verifier(0)(request)


def test_presigned_urls_are_refused() -> None:
    presigned = AWSRequest(method="POST", url=f"http://127.0.0.1:8000{PATH}")
    SigV4QueryAuth(SigningCredentials("KEY1", SECRET), "lambda", "eu-west-1").add_auth(presigned)
    request = SignedRequest("POST", PATH, urlsplit(str(presigned.url)).query, [("host", "127.0.0.1:8000")], b"")
    with pytest.raises(MissingAuthenticationTokenError, match="presigned URLs are not accepted"):
        verifier(0)(request)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer abc",
        "AWS4-HMAC-SHA512 Credential=KEY1/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=KEY1/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=KEY1/20260101/eu-west-1/lambda, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=KEY1/1/eu-west-1/lambda/aws4_request, SignedHeaders=a, Signature=0, Signature=1",
    ],
)
def test_half_a_signature_is_incomplete_and_is_not_repeated(authorization: str) -> None:
    request, at = signed()
    with pytest.raises(IncompleteSignatureError) as raised:
        verifier(at)(changed(request, "authorization", lambda _: authorization))
    assert "KEY1" not in str(raised.value)


@pytest.mark.parametrize("date", [None, "", "2026-01-01T00:00:00Z", "20261301T000000Z", "20260101T000000"])
def test_the_date_has_one_form(date: str | None) -> None:
    request, at = signed()
    with pytest.raises(IncompleteSignatureError):
        verifier(at)(changed(request, "x-amz-date", lambda _: date))


def test_two_signatures_are_none() -> None:
    request, at = signed()
    twice = [*request.headers, *(pair for pair in request.headers if pair[0] == "authorization")]
    with pytest.raises(IncompleteSignatureError, match="more than one header"):
        verifier(at)(request._replace(headers=twice))


PATHS = st.lists(
    st.one_of(
        st.text(max_size=12).map(lambda text: quote(text, safe="")), st.sampled_from(["..", ".", "", "a:b", "~$@!"])
    ),
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))
QUERIES = st.lists(st.tuples(st.text(max_size=8), st.none() | st.text(max_size=8)), max_size=4).map(
    lambda pairs: "&".join(
        quote(name, safe="") + ("" if value is None else "=" + quote(value, safe="~+/")) for name, value in pairs
    )
)
HEADERS = st.dictionaries(
    st.sampled_from(["X-Amz-Client-Context", "Content-Type", "X-Amz-Tenant-Id", "Amz-Sdk-Request", "User-Agent"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f\x85\xa0"), max_size=20),
)


@given(PATHS, QUERIES, HEADERS, st.binary(max_size=40), st.sampled_from(["POST", "GET"]))
def test_whatever_botocore_signs_is_known_and_nothing_else_is(
    path: str, query: str, headers: Mapping[str, str], body: bytes, method: str
) -> None:
    request, at = signed(path, query, body, method=method, headers=headers)
    known = verifier(at)
    assert known(request) == "KEY1"
    others: Sequence[SignedRequest] = [
        request._replace(body=body + b" "),
        request._replace(path=path + "x"),
        request._replace(query=f"{query}&x"),
        *(changed(request, name.lower(), lambda value: value + "x") for name in headers if name != "User-Agent"),
    ]
    for other in others:
        with pytest.raises(SignatureError):
            known(other)


@given(st.text(st.characters(max_codepoint=255), max_size=80), st.text(st.characters(max_codepoint=255), max_size=20))
def test_any_text_is_refused_cleanly(authorization: str, date: str) -> None:
    for text in (authorization, f"AWS4-HMAC-SHA256 {authorization}"):
        request = SignedRequest("POST", PATH, "", [("authorization", text), ("x-amz-date", date), ("host", "x")], b"")
        with pytest.raises(SignatureError):
            verifier(0)(request)
