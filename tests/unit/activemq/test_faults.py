from __future__ import annotations

from ssl import SSLCertVerificationError, SSLError

import pytest
from proton import Condition

from eventflow.errors import AccessDeniedError, AdapterError, InvalidMessageError, UnavailableError
from eventflow_activemq.faults import BrokerError, fault, translated


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (BrokerError("amqp:unauthorized-access", "User x is not authorized"), AccessDeniedError, "is not authorized"),
        (BrokerError("proton:auth-error", "no"), AccessDeniedError, "check the username"),
        (BrokerError("amqp:link:message-size-exceeded", "too large"), InvalidMessageError, "too large"),
        (BrokerError("amqp:invalid-field", "Invalid selector"), AdapterError, "`selectors`"),
        (BrokerError("amqp:resource-limit-exceeded", "Usage Manager Store is Full"), UnavailableError, "is Full"),
        (BrokerError("amqp:internal-error", ""), UnavailableError, "amqp:internal-error"),
        (SSLCertVerificationError(1, "self-signed certificate"), AccessDeniedError, "`ca_file`"),
        (SSLError(1, "wrong version number"), UnavailableError, "speak TLS"),
        (ConnectionRefusedError("refused"), UnavailableError, "refused"),
        (TimeoutError(), UnavailableError, "no answer in time"),
    ],
    ids=str,
)
def test_errors_are_said_in_eventflows_words(error: Exception, kind: type[AdapterError], says: str) -> None:
    found = fault("activemq:orders", "sending", error)
    assert type(found) is kind
    assert found.resource == "activemq:orders"
    assert "sending" in str(found)
    assert says in str(found)


def test_what_the_broker_says_is_kept_as_the_cause() -> None:
    cause = BrokerError.of(Condition("amqp:unauthorized-access", "no"), "otherwise")
    with pytest.raises(AccessDeniedError) as raised, translated("activemq:orders", "subscribing"):
        raise cause
    assert raised.value.__cause__ is cause


def test_a_broker_that_says_nothing_is_spoken_for() -> None:
    assert str(BrokerError.of(None, "the broker hung up")) == "the broker hung up"
    assert (
        str(BrokerError.of(Condition("amqp:not-found"), "the broker closed the link")) == "the broker closed the link"
    )
