from __future__ import annotations

import asyncio
import ssl

import anyio
import pytest
from aiormq import exceptions as amqp

from eventflow.errors import (
    AccessDeniedError,
    AdapterError,
    InvalidMessageError,
    ResourceNotFoundError,
    UnavailableError,
)
from eventflow_rabbitmq.faults import fault, translated

CASES: list[tuple[BaseException, type[AdapterError], str]] = [
    (amqp.ChannelNotFoundEntity("NOT_FOUND - no queue 'q'"), ResourceNotFoundError, "no queue 'q'"),
    (amqp.ChannelAccessRefused("ACCESS_REFUSED - to queue"), AccessDeniedError, "set_permissions"),
    (amqp.ChannelLockedResource("RESOURCE_LOCKED"), AccessDeniedError, "has it alone"),
    (amqp.ChannelPreconditionFailed("message size 9 is larger than 8"), InvalidMessageError, "larger than"),
    (amqp.ChannelPreconditionFailed("acknowledgement timed out"), UnavailableError, "consumer_timeout"),
    (amqp.ChannelPreconditionFailed("unknown delivery tag 3"), UnavailableError, "unknown delivery tag"),
    (amqp.ProbableAuthenticationError("Login was refused"), AccessDeniedError, "username and password"),
    (amqp.ConnectionNotAllowed("NOT_ALLOWED - vhost x not found"), ResourceNotFoundError, "add_vhost"),
    (amqp.ConnectionNotAllowed("NOT_ALLOWED - access to vhost refused"), AccessDeniedError, "denied"),
    (amqp.ConnectionNotAllowed("NOT_ALLOWED - connection limit"), UnavailableError, "limit"),
    (amqp.ConnectionClosed(320, "CONNECTION_FORCED - shutdown"), UnavailableError, "CONNECTION_FORCED"),
    (ConnectionRefusedError(111, "Connect call failed"), UnavailableError, "Connect call failed"),
    (TimeoutError(), UnavailableError, "no answer in time"),
    (ssl.SSLCertVerificationError(1, "certificate verify failed"), AccessDeniedError, "ca_file"),
]


@pytest.mark.parametrize(("error", "kind", "text"), CASES, ids=lambda value: getattr(type(value), "__name__", None))
def test_errors_are_said_in_eventflows(error: BaseException, kind: type[AdapterError], text: str) -> None:
    said = fault("rabbitmq:orders", "reading", error)
    assert type(said) is kind
    assert said.resource == "rabbitmq:orders"
    assert text in str(said)


def test_a_certificate_is_found_behind_other_errors_even_in_a_circle() -> None:
    outer, inner = amqp.AMQPConnectionError("lost"), ConnectionError("broken")
    outer.__cause__, inner.__cause__ = inner, outer
    assert isinstance(fault("rabbitmq:orders", "reading", outer), UnavailableError)
    inner.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert isinstance(fault("rabbitmq:orders", "reading", outer), AccessDeniedError)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Exception(), RuntimeError("<Connection> closed")])
def test_what_aiormq_throws_into_waiters_is_a_lost_connection(error: BaseException) -> None:
    async def wait() -> None:
        with translated("rabbitmq:orders", "reading"):
            raise error

    with pytest.raises(UnavailableError, match="connection was lost"):
        asyncio.run(wait())


@pytest.mark.parametrize("error", [RuntimeError("a mistake"), KeyError("a mistake")])
def test_mistakes_of_ours_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)), translated("rabbitmq:orders", "reading"):
        raise error


async def test_our_own_cancellation_stays_one() -> None:
    with anyio.move_on_after(1) as scope, translated("rabbitmq:orders", "reading"):
        await anyio.sleep(5)
    assert scope.cancelled_caught
