from __future__ import annotations

from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from eventflow.errors import NotAuthenticError, UnavailableError
from eventflow.testing.virtual_time import VirtualClock
from eventflow_aws.certificates import MAXIMUM_CERTIFICATES, MAXIMUM_WAITING
from eventflow_aws.notifications.sns_signatures import Signatures, string_to_sign
from tests.unit.aws.sns_signing import CERTIFICATE_URL, TOPIC, Signer, confirmation, notification


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


async def check(signer: Signer, message: dict[str, Any]) -> None:
    await Signatures(signer.fetch, VirtualClock()).check(message)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "message",
    [
        notification(),
        notification(Subject=None),
        confirmation(),
        confirmation("UnsubscribeConfirmation"),
    ],
    ids=["notification", "without a subject", "subscribe", "unsubscribe"],
)
async def test_what_sns_signed_is_authentic(signer: Signer, message: dict[str, Any], version: str) -> None:
    await check(signer, signer.signed(message, version=version))


def test_names_and_values_are_signed_on_lines_of_their_own() -> None:
    message = notification(Message="hello\nworld", MessageId="1", MessageAttributes={})
    text = (
        f"Message\nhello\nworld\nMessageId\n1\nSubject\nAn order\nTimestamp\n2026-01-01T00:00:00.000Z\n"
        f"TopicArn\n{TOPIC}\nType\nNotification\n"
    )
    assert string_to_sign(message) == text.encode()


@pytest.mark.parametrize(
    "field", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Signature", "SignatureVersion"]
)
async def test_a_changed_field_is_noticed(signer: Signer, field: str) -> None:
    other = {"Timestamp": "2026-01-01T00:00:01.000Z", "SignatureVersion": "1"}
    message = signer.signed(notification()) | {field: other.get(field, "AAAA")}
    with pytest.raises(NotAuthenticError, match="signature is wrong"):
        await check(signer, message)


async def test_a_subject_cannot_be_added_or_taken_away(signer: Signer) -> None:
    without = signer.signed(notification())
    del without["Subject"]
    added = signer.signed(notification(Subject=None)) | {"Subject": "An order"}
    for message in (without, added):
        with pytest.raises(NotAuthenticError, match="signature is wrong"):
            await check(signer, message)


async def test_the_key_of_somebody_else_is_not_sns(signer: Signer) -> None:
    with pytest.raises(NotAuthenticError, match="signature is wrong"):
        await check(signer, Signer().signed(notification()))


@pytest.mark.parametrize("signature", ["", "no base64!", "Zm9v", "Ω"])
async def test_a_signature_that_is_none_is_wrong(signer: Signer, signature: str) -> None:
    with pytest.raises(NotAuthenticError, match="signature is wrong"):
        await check(signer, signer.signed(notification()) | {"Signature": signature})


async def test_a_text_that_utf8_does_not_have_was_not_signed(signer: Signer) -> None:
    with pytest.raises(NotAuthenticError, match="signature is wrong"):
        await check(signer, signer.signed(notification()) | {"Message": "\ud800"})


@pytest.mark.parametrize("version", ["", "0", "3", "2 "])
async def test_only_two_versions_are_known(signer: Signer, version: str) -> None:
    with pytest.raises(NotAuthenticError, match="neither 1 nor 2"):
        await check(signer, signer.signed(notification()) | {"SignatureVersion": version})


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://example.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.example.com/a.pem",
        "https://example.com/sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com@example.com/a.pem",
        "https://user@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem?x=1",
        "https://sns.us-east-1.amazonaws.com/?x=a.pem",
        "https://sns.us-east-1.amazonaws.com/#a.pem",
        "https://sns.us-east-1.amazonaws.com/a.txt",
        "https://sns.us-east-1.amazonaws.com/a/../b.pem",
        "https://sns.us-east-1.amazonaws.com/%2e.pem",
        "https://sns.us-east-1.amazonaws.com\n/a.pem",
        "https://sns..amazonaws.com/a.pem",
        "https://sns.a.b.amazonaws.com/a.pem",
        "https://s3.us-east-1.amazonaws.com/a.pem",
        "https://SNS.us-east-1.amazonaws.com/a.pem",
        "https://[sns.us-east-1.amazonaws.com/a.pem",
        "file:///etc/a.pem",
        "",
    ],
)
async def test_certificates_of_other_places_are_not_even_fetched(url: str) -> None:
    signer = Signer()
    with pytest.raises(NotAuthenticError, match="not one of SNS's"):
        await check(signer, signer.signed(notification()) | {"SigningCertURL": url})
    assert signer.fetched == []


@pytest.mark.parametrize("host", ["sns.eu-west-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"])
async def test_every_region_has_its_certificates(signer: Signer, host: str) -> None:
    await check(signer, signer.signed(notification()) | {"SigningCertURL": f"https://{host}/a.pem"})


@pytest.mark.parametrize(("first", "last"), [("2025-01-01", "2025-12-31"), ("2026-01-02", "2027-01-01")])
async def test_a_certificate_has_its_time(first: str, last: str) -> None:
    signer = Signer(first=first, last=last)
    with pytest.raises(NotAuthenticError, match=f"valid from {first} to {last}"):
        await check(signer, signer.signed(notification()))


async def test_what_is_no_certificate_proves_nothing(signer: Signer) -> None:
    async def fetch(url: str) -> bytes:
        return b"<html>"

    with pytest.raises(NotAuthenticError, match="no certificate"):
        await Signatures(fetch, VirtualClock()).check(signer.signed(notification()))


async def test_a_certificate_without_an_rsa_key_proves_nothing(signer: Signer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    known = x509.load_pem_x509_certificate(signer.pem)
    certificate = (
        x509.CertificateBuilder(known.issuer, known.subject, key.public_key(), 1)
        .not_valid_before(known.not_valid_before_utc)
        .not_valid_after(known.not_valid_after_utc)
        .sign(key, SHA256())
    )

    async def fetch(url: str) -> bytes:
        return certificate.public_bytes(Encoding.PEM)

    with pytest.raises(NotAuthenticError, match="no RSA key"):
        await Signatures(fetch, VirtualClock()).check(signer.signed(notification()))


@pytest.mark.parametrize("time", ["2025-12-31T22:00:00.000Z", "2026-01-01T00:10:00.000Z", "yesterday", ""])
async def test_messages_of_other_times_are_refused(signer: Signer, time: str) -> None:
    with pytest.raises(NotAuthenticError, match=r"older than|yet to come|is none"):
        await check(signer, signer.signed(notification(Timestamp=time)))


@pytest.mark.parametrize("time", ["2025-12-31T23:00:00.000Z", "2026-01-01T00:04:00.000Z"])
async def test_an_hour_of_retries_and_clocks_that_differ_are_taken(signer: Signer, time: str) -> None:
    await check(signer, signer.signed(notification(Timestamp=time)))


async def test_a_certificate_is_fetched_once_for_all_who_need_it() -> None:
    signer = Signer()
    signatures = Signatures(signer.fetch, VirtualClock())
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(signatures.check, signer.signed(notification()))
    await signatures.check(signer.signed(confirmation()))
    assert signer.fetched == [CERTIFICATE_URL]


async def test_few_certificates_are_remembered() -> None:
    signer = Signer()
    signatures = Signatures(signer.fetch, VirtualClock())
    urls = [f"https://sns.us-east-1.amazonaws.com/{number}.pem" for number in range(MAXIMUM_CERTIFICATES + 1)]
    for url in [*urls, *urls[1:], urls[0]]:
        await signatures.check(signer.signed(notification()) | {"SigningCertURL": url})
    assert signer.fetched == [*urls, urls[0]]


async def test_a_certificate_that_cannot_be_fetched_is_fetched_later(signer: Signer) -> None:
    away = True

    async def fetch(url: str) -> bytes:
        if away:
            raise UnavailableError(url, "away")
        return signer.pem

    signatures = Signatures(fetch, VirtualClock())
    with pytest.raises(UnavailableError):
        await signatures.check(signer.signed(notification()))
    away = False
    await signatures.check(signer.signed(notification()))


async def test_not_too_many_messages_wait_for_certificates(signer: Signer) -> None:
    answer = anyio.Event()
    refused = 0

    async def fetch(url: str) -> bytes:
        await answer.wait()
        return signer.pem

    signatures = Signatures(fetch, VirtualClock())
    message = signer.signed(notification())

    async def one() -> None:
        nonlocal refused
        try:
            await signatures.check(message)
        except UnavailableError:
            refused += 1
            answer.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(MAXIMUM_WAITING + 2):
            tasks.start_soon(one)
    assert refused == 1
