"""Our signatures against botocore's."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from eventflow_aws.signing import Scope, Signer

HOST = "sqs.eu-west-1.amazonaws.com"
SCOPE = Scope("eu-west-1", "sqs")
NOW = 1_795_000_000.9
DAY = 86_400

visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,15}", fullmatch=True).filter(
    lambda name: (
        name.lower() not in ("host", "date", "authorization", "x-amz-date", "x-amz-security-token")
        and not name.lower().startswith("x-amz-content")
    )
)
secrets = st.text("abcXYZ019/+", min_size=1, max_size=40)
credentials = st.builds(ReadOnlyCredentials, secrets, secrets, st.none() | secrets)


def botocores(headers: dict[str, str], body: bytes, own: ReadOnlyCredentials, scope: Scope, now: float) -> str:
    """The ``Authorization`` that botocore gives."""
    request = AWSRequest("POST", f"https://{HOST}/", headers, body)
    auth: Any = SigV4Auth(own, scope.service, scope.region)
    request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return str(request.headers["Authorization"])


@given(
    st.dictionaries(names, visible, max_size=6).filter(lambda one: len({name.lower() for name in one}) == len(one)),
    st.binary(max_size=100),
    st.lists(credentials, min_size=1, max_size=3),
    st.lists(st.floats(0, 4 * DAY), min_size=1, max_size=3),
)
def test_a_request_is_signed_as_botocore_signs_it(
    headers: dict[str, str], body: bytes, owners: list[ReadOnlyCredentials], days: list[float]
) -> None:
    signer = Signer()
    for own in owners:
        for later in days:
            signed = signer.sign(HOST, headers, body, credentials=own, scope=SCOPE, now=NOW + later)
            assert signed["Authorization"] == botocores(headers, body, own, SCOPE, NOW + later)


@pytest.mark.parametrize("scope", [Scope("us-east-1", "sqs"), Scope("eu-west-1", "kinesis")])
def test_a_key_is_good_for_one_scope_only(scope: Scope) -> None:
    own, signer = ReadOnlyCredentials("key", "secret", None), Signer()
    signer.sign(HOST, {}, b"", credentials=own, scope=SCOPE, now=NOW)
    signed = signer.sign(HOST, {}, b"", credentials=own, scope=scope, now=NOW)
    assert signed["Authorization"] == botocores({}, b"", own, scope, NOW)


def test_headers_that_proxies_may_change_are_not_signed() -> None:
    own = ReadOnlyCredentials("key", "secret", "token")
    headers = {"User-Agent": "eventflow", "X-Amzn-Trace-Id": "Root=1", "X-Amz-Target": "AmazonSQS.ReceiveMessage"}
    signed = Signer().sign(HOST, headers, b"{}", credentials=own, scope=SCOPE, now=NOW)
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target," in signed["Authorization"]
