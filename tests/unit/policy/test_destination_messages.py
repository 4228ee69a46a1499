from __future__ import annotations

import json

import pytest

from eventflow.model import limits
from eventflow.model.destinations import Condition, Destination, Service
from eventflow.model.invocation import InvocationRecord
from eventflow.policy.destination_messages import dead_letter_message, fitting_record, invocation_message

UNIQUE = "5e9c3a1d-0000-4000-a000-000000000001"


def record(payload: bytes = b"{}", response: bytes | None = b"null", *, failed: bool = False) -> InvocationRecord:
    return InvocationRecord(
        request_id="7",
        function_arn="arn:f:$LATEST",
        condition=Condition.RETRIES_EXHAUSTED if failed else Condition.SUCCESS,
        approximate_invoke_count=1,
        timestamp=1_764_000_000.5,
        request_payload=payload,
        response=response,
        function_error=failed,
    )


def message_to(service: Service, item: InvocationRecord) -> bytes:
    destination = Destination(service, "d")
    fitting = fitting_record(item, destination)
    return invocation_message(fitting, destination, function_name="f", destination_arn="arn:d", unique=UNIQUE).body


LIMITS = {
    Service.SQS: limits.SQS_MESSAGE_BYTES,
    Service.SNS: limits.SNS_MESSAGE_BYTES,
    Service.EVENTBRIDGE: limits.EVENTBRIDGE_ENTRY_BYTES,
    Service.FUNCTION: limits.ASYNCHRONOUS_REQUEST_BYTES,
}


@pytest.mark.parametrize("service", LIMITS)
def test_a_record_that_does_not_fit_loses_its_request_first_and_then_its_response(service: Service) -> None:
    def text(parts: int) -> bytes:
        """So many eighths of what the service takes."""
        return json.dumps("ü" * (LIMITS[service] // 16 * parts), ensure_ascii=False).encode()

    def kept(item: InvocationRecord) -> tuple[bool, bool]:
        body = message_to(service, item)
        assert len(body) < LIMITS[service]
        wire = json.loads(body)
        assert wire["requestContext"]["requestId"] == "7"
        return wire["requestPayload"] is not None, wire["responsePayload"] is not None

    assert kept(record(text(3), text(3))) == (True, True)
    assert kept(record(text(6), text(6))) == (False, True)
    assert kept(record(text(1), text(8))) == (False, False)


def test_a_record_that_never_ran_has_no_response_keys_even_if_it_does_not_fit() -> None:
    wire = json.loads(message_to(Service.SNS, record(b'"' + b"x" * 300_000 + b'"', None, failed=True)))
    assert wire.keys() == {"version", "timestamp", "requestContext", "requestPayload"}


def test_a_bucket_takes_everything_under_lambdas_key() -> None:
    destination = Destination(Service.S3, "failures")
    item = record(b'"' + b"x" * 1_000_000 + b'"', failed=True)
    message = invocation_message(item, destination, function_name="f", destination_arn="arn:d", unique=UNIQUE)
    assert message.key == f"aws/lambda/async/f/2025/11/24/2025-11-24T16.00.00-{UNIQUE}"
    assert len(message.body) > 1_000_000


def test_a_result_that_is_no_number_is_null_in_the_record() -> None:
    wire = json.loads(message_to(Service.SQS, record(response=b"[NaN, -Infinity, 1.5]")), parse_constant=pytest.fail)
    assert wire["responsePayload"] == [None, None, 1.5]


def test_a_dead_letter_is_the_event_as_it_was() -> None:
    message = dead_letter_message(b'{"a":  1}', request_id="7", error_code=200, error_message="x")
    assert message.body == b'{"a":  1}'
    assert dict(message.attributes) == {"RequestID": "7", "ErrorCode": 200, "ErrorMessage": "x"}


@pytest.mark.parametrize(
    ("text", "cut"), [("ü" * 600, "ü" * 512), ("x" * 1_024, "x" * 1_024), ("a" + "ü" * 600, "a" + "ü" * 511)]
)
def test_an_error_text_is_cut_to_a_kilobyte_between_characters(text: str, cut: str) -> None:
    message = dead_letter_message(b"{}", request_id="7", error_code=200, error_message=text)
    assert message.attributes["ErrorMessage"] == cut


def test_a_dead_letter_that_fills_a_message_goes_without_its_error_text() -> None:
    payload = b'"' + b"x" * (limits.SQS_MESSAGE_BYTES - 100) + b'"'
    message = dead_letter_message(payload, request_id="7", error_code=200, error_message="x")
    assert dict(message.attributes) == {"RequestID": "7", "ErrorCode": 200}
