"""Which requests are Alexa's own."""

from __future__ import annotations

import anyio
import pytest

from eventflow.errors import NotAuthenticError, UnavailableError
from eventflow.ports import PushRequest
from eventflow.testing.virtual_time import VirtualClock
from eventflow_aws.alexa import AlexaVerifier, trusted_roots
from eventflow_aws.certificates import MAXIMUM_CERTIFICATES
from tests.unit.aws.alexa_signing import CHAIN_URL, Alexa, Authority

BODY = b'{"request": {}}'


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def alexa(authority: Authority) -> Alexa:
    return Alexa(authority)


def verifier(authority: Authority, alexa: Alexa) -> AlexaVerifier:
    return AlexaVerifier(VirtualClock(), fetch=alexa.fetch, roots=[authority.root])


async def refused(authority: Authority, alexa: Alexa, request: PushRequest, why: str) -> None:
    with pytest.raises(NotAuthenticError, match=why):
        await verifier(authority, alexa).verify(request)


@pytest.mark.parametrize("headers", [("256", "1"), ("256",), ("1",)])
async def test_what_alexa_signed_is_authentic(authority: Authority, alexa: Alexa, headers: tuple[str, ...]) -> None:
    await verifier(authority, alexa).verify(alexa.signed(BODY, headers=headers))


async def test_an_altered_body_is_noticed(authority: Authority, alexa: Alexa) -> None:
    await refused(authority, alexa, alexa.signed(BODY)._replace(body=BODY + b" "), "its signature is wrong")


async def test_the_better_signature_decides(authority: Authority, alexa: Alexa) -> None:
    others = alexa.signed(b"other").headers["signature-256"]
    headers = {**alexa.signed(BODY).headers, "signature-256": others}
    await refused(authority, alexa, PushRequest(headers, BODY), "its signature is wrong")


@pytest.mark.parametrize("missing", ["signaturecertchainurl", "both signatures"])
async def test_what_is_not_signed_is_refused(authority: Authority, alexa: Alexa, missing: str) -> None:
    headers = dict(alexa.signed(BODY).headers)
    for name in [missing] if missing in headers else ["signature", "signature-256"]:
        del headers[name]
    await refused(authority, alexa, PushRequest(headers, BODY), "has no SignatureCertChainUrl, or no Signature-256")


@pytest.mark.parametrize("signature", ["no base64!", "Zm9v", "Ω"])
async def test_a_signature_that_is_none_is_wrong(authority: Authority, alexa: Alexa, signature: str) -> None:
    headers = {**alexa.signed(BODY).headers, "signature-256": signature}
    await refused(authority, alexa, PushRequest(headers, BODY), "its signature is wrong")


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/echo.api/echo-api-cert.pem",
        "https://s3.amazonaws.com:443/echo.api/echo-api-cert.pem",
        "https://s3.amazonaws.com/echo.api/../echo.api/echo-api-cert.pem",
        "HTTPS://S3.AmazonAWS.com/echo.api/echo-api-cert.pem",
    ],
)
async def test_alexa_publishes_in_one_place(authority: Authority, alexa: Alexa, url: str) -> None:
    await verifier(authority, alexa).verify(alexa.signed(BODY, url=url))


@pytest.mark.parametrize(
    "url",
    [
        "http://s3.amazonaws.com/echo.api/echo-api-cert.pem",
        "https://notamazon.com/echo.api/echo-api-cert.pem",
        "https://s3.amazonaws.com.example.com/echo.api/a.pem",
        "https://s3.amazonaws.com@example.com/echo.api/a.pem",
        "https://user@s3.amazonaws.com/echo.api/a.pem",
        "https://s3.amazonaws.com/EcHo.aPi/echo-api-cert.pem",
        "https://s3.amazonaws.com/invalid.path/echo-api-cert.pem",
        "https://s3.amazonaws.com/echo.api/../bucket/a.pem",
        "https://s3.amazonaws.com/echo.api/%2e%2e/bucket/a.pem",
        "https://s3.amazonaws.com/echo.api\\..\\bucket/a.pem",
        "https://s3.amazonaws.com:563/echo.api/echo-api-cert.pem",
        "https://s3.amazonaws.com/echo.api/a.pem?x=1",
        "https://s3.amazonaws.com/?x=/echo.api/a.pem",
        "https://[s3.amazonaws.com/echo.api/a.pem",
        "https://s3.amazonaws.com:port/echo.api/a.pem",
        "file:///echo.api/a.pem",
    ],
)
async def test_certificates_of_other_places_are_not_even_fetched(authority: Authority, url: str) -> None:
    alexa = Alexa(authority)
    await refused(authority, alexa, alexa.signed(BODY, url=url), "is not one of Alexa's")
    assert alexa.fetched == []


@pytest.mark.parametrize(("first", "last"), [("2025-01-01", "2025-12-31"), ("2026-01-02", "2027-01-01")])
async def test_a_certificate_has_its_time(authority: Authority, first: str, last: str) -> None:
    alexa = Alexa(authority, first=first, last=last)
    await refused(authority, alexa, alexa.signed(BODY), f"valid from {first} to {last}")


async def test_a_certificate_of_another_host_is_not_alexas(authority: Authority) -> None:
    alexa = Alexa(authority, host="echo-api.example.com")
    await refused(authority, alexa, alexa.signed(BODY), "nobody vouches for its certificate as echo-api")


async def test_a_certificate_that_may_not_sign_proves_nothing(authority: Authority) -> None:
    alexa = Alexa(authority, signs=False)
    await refused(authority, alexa, alexa.signed(BODY), "not for signatures")


async def test_an_authority_that_nobody_trusts_proves_nothing(authority: Authority) -> None:
    alexa = Alexa(Authority())
    await refused(authority, alexa, alexa.signed(BODY), "nobody vouches for its certificate")


async def test_a_chain_that_lacks_a_link_proves_nothing(authority: Authority) -> None:
    alexa = Alexa(authority)
    alexa.pem = alexa.pem[: alexa.pem.index(b"-----END CERTIFICATE-----") + 26]
    await refused(authority, alexa, alexa.signed(BODY), "nobody vouches for its certificate")


@pytest.mark.parametrize("pem", [b"", b"<html>"])
async def test_what_is_no_certificate_proves_nothing(authority: Authority, pem: bytes) -> None:
    alexa = Alexa(authority)
    alexa.pem = pem
    await refused(authority, alexa, alexa.signed(BODY), "no certificates at its SignatureCertChainUrl")


async def test_a_chain_is_fetched_once_for_all_who_need_it(authority: Authority) -> None:
    alexa = Alexa(authority)
    checking = verifier(authority, alexa)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(checking.verify, alexa.signed(BODY))
    await checking.verify(alexa.signed(b"other"))
    assert alexa.fetched == [CHAIN_URL]


async def test_few_chains_are_remembered(authority: Authority) -> None:
    alexa = Alexa(authority)
    checking = verifier(authority, alexa)
    urls = [f"https://s3.amazonaws.com/echo.api/{number}.pem" for number in range(MAXIMUM_CERTIFICATES + 1)]
    for url in [*urls, *urls[1:], urls[0]]:
        await checking.verify(alexa.signed(BODY, url=url))
    assert alexa.fetched == [*urls, urls[0]]


async def test_a_chain_that_has_ended_is_fetched_anew(authority: Authority) -> None:
    old = Alexa(authority, last="2026-01-02")
    checking = verifier(authority, old)
    await checking.verify(old.signed(BODY))
    await anyio.sleep(3 * 24 * 3600)
    old.pem = Alexa(authority).pem
    with pytest.raises(NotAuthenticError, match="its signature is wrong"):  # of the old key
        await checking.verify(old.signed(BODY))
    assert old.fetched == [CHAIN_URL, CHAIN_URL]


async def test_a_chain_that_cannot_be_fetched_is_fetched_later(authority: Authority, alexa: Alexa) -> None:
    async def fetch(url: str) -> bytes:
        raise UnavailableError(url, "away")

    with pytest.raises(UnavailableError):
        await AlexaVerifier(VirtualClock(), fetch=fetch, roots=[authority.root]).verify(alexa.signed(BODY))


def test_the_roots_of_the_sdk_are_trusted() -> None:
    names = {certificate.subject.rfc4514_string() for certificate in trusted_roots()}
    assert any("Amazon Root CA 1" in name for name in names)
