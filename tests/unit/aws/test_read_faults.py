from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.model.mapping import StartingPosition
from eventflow_aws.streams.read_faults import reading
from eventflow_aws.streams.shard_reader import (
    Behind,
    IteratorExpiredError,
    Place,
    ReadThrottledError,
    RecordsTrimmedError,
)
from eventflow_aws.streams.shards import BEGINNING, StartingPoint

CODES = {
    "ProvisionedThroughputExceededException": ReadThrottledError,
    "LimitExceededException": ReadThrottledError,
    "KMSThrottlingException": ReadThrottledError,
    "ExpiredIteratorException": IteratorExpiredError,
    "TrimmedDataAccessException": RecordsTrimmedError,
    "KMSAccessDeniedException": AccessDeniedError,
    "KMSDisabledException": AccessDeniedError,
    "KMSInvalidStateException": AccessDeniedError,
    "KMSNotFoundException": AccessDeniedError,
    "KMSOptInRequired": AccessDeniedError,
    "AccessDeniedException": AccessDeniedError,
    "ResourceNotFoundException": ResourceNotFoundError,
    "InternalServerError": UnavailableError,
    "InvalidArgumentException": UnavailableError,
}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "the reason"}}, "GetRecords")


@pytest.mark.parametrize(("code", "error"), CODES.items())
def test_answer_means(code: str, error: type[AdapterError]) -> None:
    with (
        pytest.raises(AdapterError, match=r"kinesis:GetRecords.*the reason") as caught,
        reading("x", "kinesis:GetRecords"),
    ):
        raise refusal(code)
    assert caught.type is error


@pytest.mark.parametrize(
    ("place", "error"),
    [
        (Behind(7), RecordsTrimmedError),
        (BEGINNING, UnavailableError),
        (StartingPoint(StartingPosition.AT_TIMESTAMP, 9e9), UnavailableError),
    ],
)
def test_argument_that_is_not_valid_means_trimmed_only_of_a_record(place: Place, error: type[AdapterError]) -> None:
    with pytest.raises(AdapterError) as caught, reading("x", "kinesis:GetShardIterator", place=place):
        raise refusal("InvalidArgumentException")
    assert caught.type is error


def test_service_that_cannot_be_reached_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="cannot connect"), reading("x", "kinesis:GetRecords"):
        raise EndpointConnectionError(endpoint_url="http://localhost:1")
