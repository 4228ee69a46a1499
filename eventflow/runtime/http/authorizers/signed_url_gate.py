"""Function URLs whose callers sign. Source: Lambda guide: urls-auth, urls-invocation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import InvocationDeniedError, InvocationError, MissingAuthenticationTokenError
from eventflow.policy.permissions import account_of
from eventflow.ports import SignedRequest
from eventflow.runtime.http.answers import JSON, Answer
from eventflow.runtime.http.authorizers.route_gate import RouteGate
from eventflow.runtime.http.gate import as_text
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from eventflow.model.permissions import AccessKey
    from eventflow.plan.http_request import HttpRequest
    from eventflow.runtime.http.gate import Gate

_log = logging.getLogger(__name__)

_FORBIDDEN: Final = (InvocationDeniedError, MissingAuthenticationTokenError)


class SignedUrlGate(RouteGate):
    """Lets those in whom the Invoke API would let invoke the function, by a signature over the request's body, too."""

    needs_body = True

    def __init__(self, gate: Gate, function_name: str) -> None:
        self._gate = gate
        self._function_name = function_name

    async def admit(self, request: HttpRequest) -> Answer | None:
        headers = as_text(request.headers)
        signed = SignedRequest(request.method, request.path, request.query_string, headers, request.body)
        try:
            admitted = self._gate.admit(signed)
            self._gate.check(admitted, self._function_name)
        except InvocationError as exc:
            _log.warning("a request to the URL of %s is refused: %s: %s", self._function_name, exc.code, exc)
            return _refusal(exc)
        request.authorizer = {"iam": _identity(admitted.caller)}
        return None


def _refusal(exc: InvocationError) -> Answer:
    """A caller that did not sign, or may not call, learns nothing of the function."""
    code, text = ("AccessDeniedException", "Forbidden") if isinstance(exc, _FORBIDDEN) else (exc.code, str(exc))
    return Answer(403, (JSON, (b"x-amzn-errortype", code.encode())), marshal_compact({"Message": text}))


def _identity(caller: AccessKey) -> dict[str, Any]:
    """The caller as events tell of it. Only AWS knows the unique id of an identity; ours is its key's."""
    return {
        "accessKey": caller.id,
        "accountId": None if caller.is_service else account_of(caller.principal),
        "callerId": caller.id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.principal,
        "userId": caller.id,
    }
