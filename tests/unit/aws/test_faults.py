"""What botocore raises, in eventflow's words: stable over retries, on one line, and without secrets."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow_aws.faults import CREDENTIALS, fault, translated

URL = "https://user:password@sqs.us-east-1.amazonaws.com/123456789012/orders"


def said(exc: BotoCoreError | ClientError) -> AdapterError:
    with pytest.raises(AdapterError) as caught, translated("sqs:orders", "sqs:ReceiveMessage"):
        raise exc
    return caught.value


@pytest.mark.parametrize(
    "exc",
    [
        EndpointConnectionError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        ReadTimeoutError(endpoint_url=URL),
        ProxyConnectionError(proxy_url="http://user:password@proxy:3128"),
        SSLError(endpoint_url=URL, error=ValueError("certificate verify failed")),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_a_network_that_does_not_work_may_work_later_and_passwords_are_not_said(exc: BotoCoreError) -> None:
    error = said(exc)
    assert isinstance(error, UnavailableError)
    assert "password" not in str(error)


def test_what_differs_from_one_answer_to_the_next_is_not_said() -> None:
    texts = {
        str(
            fault(
                "sqs:orders",
                "sqs:ReceiveMessage",
                "KMS.AccessDeniedException",
                f"no access to the key (Service: Kms; Status Code: 400; Request ID: {request_id}; Proxy: null)",
            )
        )
        for request_id in ("8a7b-1", "9c0d-2")
    }
    assert len(texts) == 1


def test_what_was_signed_is_not_said() -> None:
    message = "The request signature we calculated does not match.\n\nThe String-to-Sign was\nx-amz-security-token:abc"
    error = fault("sqs:orders", "sqs:ReceiveMessage", "SignatureDoesNotMatch", message)
    assert isinstance(error, AccessDeniedError)
    assert error.resource == CREDENTIALS
    assert "abc" not in str(error)


def test_a_status_alone_is_an_answer_of_s3_and_of_nobody_else_at_aws() -> None:
    assert isinstance(fault("s3:uploads", "s3:ListBucket", "404", "Not Found"), ResourceNotFoundError)
    error = fault("sqs:orders", "sqs:GetQueueUrl", "404", "<html>\n<h1>Not Found</h1>")
    assert isinstance(error, UnavailableError)
    assert "html" not in str(error)


def test_an_error_says_what_would_mend_it_at_its_end() -> None:
    error = fault("sqs:orders", "sqs:ReceiveMessage", "AccessDenied", "not authorized")
    assert error.mend is not None
    assert str(error) == f"sqs:orders: {error.message}; {error.mend}"
