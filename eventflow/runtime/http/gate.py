"""Who may invoke functions over HTTP: callers known by their signature, and allowed by a policy."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from eventflow.errors import InvocationDeniedError, InvocationError
from eventflow.model.permissions import INVOKE_FUNCTION, MANAGE_CONNECTIONS, Source
from eventflow.policy.permissions import connections_denial, denial
from eventflow.ports import SignedRequest
from eventflow.runtime.http.function_names import function_reference
from eventflow.runtime.http.invoke_api import error_answer, read_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.model.permissions import AccessKey, Permission
    from eventflow.plan.environment import Environment
    from eventflow.ports import SignatureVerifier
    from eventflow.runtime.http.answers import Answer
    from eventflow.runtime.http.asgi import Header, Message, Receive, Scope
    from eventflow.runtime.http.invoke_api import InvokeApi
    from eventflow.runtime.http.streaming import StreamedAnswer

_log = logging.getLogger(__name__)

_SOURCE_ARN: Final = "x-amz-source-arn"
_SOURCE_ACCOUNT: Final = "x-amz-source-account"


class Admitted(NamedTuple):
    """A caller, and on whose behalf it calls."""

    caller: AccessKey
    source: Source


class Gate:
    """Tells callers by their signature, and what each of them may invoke.

    ``permissions`` are the statements of all functions' resource policies.
    """

    def __init__(
        self,
        environment: Environment,
        permissions: Iterable[Permission],
        verifier: SignatureVerifier,
    ) -> None:
        self._environment = environment
        self._callers = {key.id: key for key in environment.callers}
        self._permissions = tuple(permissions)
        self._verifier = verifier

    def admit(self, request: SignedRequest, *, service: str = "lambda") -> Admitted:
        """The caller of a request to a service. Raises SignatureError."""
        caller = self._callers[self._verifier.verify(request, service=service)]
        stated = dict(request.headers)
        return Admitted(caller, Source(stated.get(_SOURCE_ARN), stated.get(_SOURCE_ACCOUNT)))

    def check(self, admitted: Admitted, function: str) -> None:
        """Raises InvocationDeniedError unless the caller may invoke a function, which need not exist."""
        account_id = self._environment.account_id
        reason = denial(admitted.caller, function, self._permissions, admitted.source, account_id=account_id)
        if reason is not None:
            arn = self._environment.function_arn(function)
            raise InvocationDeniedError(admitted.caller.principal, INVOKE_FUNCTION, arn, reason)

    def admit_to_connections(self, path: str, scope: Scope, body: bytes) -> None:
        """Raises SignatureError, or InvocationDeniedError unless the caller may manage WebSocket connections."""
        caller = self.admit(_signed(path, scope, body), service="execute-api").caller
        here = self._environment
        reason = connections_denial(caller, account_id=here.account_id)
        if reason is not None:
            arn = f"arn:{here.partition}:execute-api:{here.region}:{here.account_id}:*{path}"
            raise InvocationDeniedError(caller.principal, MANAGE_CONNECTIONS, arn, reason)


def as_text(headers: Iterable[Header]) -> list[tuple[str, str]]:
    """Headers as a signature is made of them."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _signed(path: str, scope: Scope, body: bytes) -> SignedRequest:
    query = scope["query_string"].decode("latin-1")
    return SignedRequest(scope["method"], path, query, as_text(scope["headers"]), body)


class GatedInvokeApi:
    """The Invoke API behind a gate. Without one, its own class is served, and nobody pays for this."""

    def __init__(self, api: InvokeApi, gate: Gate, environment: Environment) -> None:
        self._api = api
        self._gate = gate
        self._environment = environment

    async def answer(
        self, path: str, scope: Scope, receive: Receive, request_id: str
    ) -> tuple[Answer | StreamedAnswer, Header]:
        """What the Invoke API answers to a caller that may call, else a refusal.

        Raises ClientGoneError if the client left before its request was complete.
        """
        try:
            body = await read_payload(scope, receive)
            self._check(path, scope, body)
        except InvocationError as exc:
            _log.warning("a request to %s is refused: %s: %s", path, exc.code, exc)
            return error_answer(exc), (b"x-amzn-requestid", request_id.encode())

        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        return await self._api.answer(path, scope, replay, request_id)

    def _check(self, path: str, scope: Scope, body: bytes) -> None:
        admitted = self._gate.admit(_signed(path, scope, body))
        name = unquote(path.split("/")[3])  # what is no operation is refused behind the gate
        here = self._environment
        reference = function_reference(name, None, region=here.region, account_id=here.account_id)
        self._gate.check(admitted, reference.name)
