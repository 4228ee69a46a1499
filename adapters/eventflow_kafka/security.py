"""How connections to brokers are encrypted and authenticated, as aiokafka's clients want to be told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError

from eventflow.errors import ConfigurationError, Problem
from eventflow_kafka.options import SIGN_IN, Authentication

if TYPE_CHECKING:
    from eventflow_kafka.options import KafkaOptions

Signer: TypeAlias = Callable[[str], tuple[str, int]]
"""Takes a region; returns a token, and when it ends (epoch milliseconds)."""

_MECHANISMS: Final = {
    Authentication.SASL_PLAIN: "PLAIN",
    Authentication.SASL_SCRAM: "SCRAM-SHA-512",
    Authentication.SASL_SCRAM_256: "SCRAM-SHA-256",
    Authentication.SASL_SCRAM_512: "SCRAM-SHA-512",
}


def security(options: KafkaOptions, *, where: str, region: str) -> dict[str, Any]:
    """The arguments of aiokafka's clients. ``region`` is the cluster's, for MSK.

    Raises ConfigurationError if certificates cannot be read, or AWS's signer is not installed.
    """
    chosen = options.authentication
    if chosen is Authentication.PLAIN:
        return {"security_protocol": "PLAINTEXT"}
    files = {"ca_file": options.ca_file, "cert_file": options.cert_file, "key_file": options.key_file}
    arguments: dict[str, Any] = {"ssl_context": SIGN_IN.ssl_context(where, **files)}
    if chosen in (Authentication.TLS, Authentication.MTLS):
        return {"security_protocol": "SSL", **arguments}
    arguments["security_protocol"] = "SASL_SSL"
    if chosen is Authentication.MSK_IAM:
        provider = MskTokenProvider(region, _signer(where))
        return {**arguments, "sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": provider}
    return {
        **arguments,
        "sasl_mechanism": _MECHANISMS[chosen],
        "sasl_plain_username": options.username,
        "sasl_plain_password": options.password,
    }


class MskTokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Signs in to Amazon MSK with AWS credentials, which are looked for anew for every connection: a token lasts 15
    minutes, and credentials may be exchanged meanwhile."""

    def __init__(self, region: str, sign: Signer) -> None:
        self._region = region
        self._sign = sign

    async def token(self) -> str:
        """Credentials may come over the network, so they are fetched in a thread. What goes wrong with them is a
        refused sign-in to aiokafka, and so to whoever asked: other errors would end its tasks."""
        try:
            signed, _ = await asyncio.get_running_loop().run_in_executor(None, self._sign, self._region)
        except Exception as exc:  # botocore's, and the signer's own
            reason = " ".join(str(exc).split()) or type(exc).__name__
            raise AuthenticationFailedError(f"no AWS credentials to sign in with: {reason}") from exc
        return str(signed)


def _signer(where: str) -> Signer:
    """AWS's own."""
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError as exc:
        hint = 'pip install "eventflow[kafka]"'
        message = 'needs the package aws-msk-iam-sasl-signer-python for "msk-iam"'
        raise ConfigurationError([Problem(where=where, field="authentication", message=message, hint=hint)]) from exc
    sign: Signer = MSKAuthTokenProvider.generate_auth_token
    return sign
