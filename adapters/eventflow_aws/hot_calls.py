"""A shorter way through aiobotocore for the calls that are made for every batch of messages.

Sending one small request takes botocore longer than everything that eventflow does with the messages it brings: it
tells a dozen listeners of every step, and parses field by field. Here a request is sent and parsed directly; all the
rest stays botocore's, by its own events:

- botocore serializes the call, and finds its endpoint, before we see it (``before-call``);
- it sends the first call of each operation by itself, and tells how it signed it (``before-sign``): only where that was
  Signature Version 4 are the next ones ours, with its own signer;
- credentials, connections, proxies, certificates and timeouts are the client's;
- an attempt that does not end with status 200 and JSON is handed over as if botocore had made it (``before-send``):
  what it means, whether and when it is repeated, and what is raised in the end, is decided there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast
from uuid import uuid4

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from pydantic_core import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiobotocore.awsrequest import AioAWSResponse
    from aiobotocore.httpsession import AIOHTTPSession
    from aiobotocore.signers import AioRequestSigner
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.model import OperationModel

    Answer: TypeAlias = tuple[AioAWSResponse, dict[str, Any]]

SIGNATURE: Final = "v4"
OUTCOME: Final = "eventflow.outcome"
"""Key in a request's context: how the first attempt ended."""
OK: Final = 200


class _Learned(NamedTuple):
    """How botocore signs an operation; ``signer`` knows the client's credentials."""

    name: str
    region: str
    signer: AioRequestSigner


class HotCalls:
    """Sends ``operations`` of one client, whose service speaks a JSON protocol and whose requests are small.

    Answers are what the service sent: unknown fields and nulls are kept, blobs are not decoded, and nothing is added.
    """

    def __init__(self, client: Any, operations: Iterable[str]) -> None:
        # The one thing that botocore has no public name for: the connections of a client.
        self._session = cast("AIOHTTPSession", client._endpoint.http_session)
        self._learned: dict[str, _Learned] = {}
        events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
        for operation in operations:
            events.register(f"before-sign.{service}.{operation}", self._learn)
            events.register_first(f"before-send.{service}.{operation}", self._replay)
        # Of every operation, so as to come after whoever adds to any request.
        events.register_last("before-call", self._call)

    def _learn(
        self,
        *,
        operation_name: str,
        request: AWSRequest,
        signature_version: str,
        signing_name: str,
        region_name: str,
        request_signer: AioRequestSigner,
        **_: object,
    ) -> None:
        """botocore is about to sign a request: the next ones are signed alike, if we can."""
        self._learned.pop(operation_name, None)
        if signature_version == SIGNATURE and request.context.get("payload_signing_enabled", True):
            signing = request.context.get("signing", {})
            name, region = signing.get("signing_name") or signing_name, signing.get("region") or region_name
            self._learned[operation_name] = _Learned(name, region, request_signer)

    async def _call(
        self, *, model: OperationModel, params: Mapping[str, Any], context: dict[str, Any], **_: object
    ) -> Answer | None:
        """The answer to a request that botocore has made out; ``None`` leaves it to botocore."""
        learned = self._learned.get(model.name)
        if learned is None:
            return None
        request = await _signed(learned, params, context)
        try:
            response = await self._session.send(request)
        except BotoCoreError as exc:
            context[OUTCOME] = exc
            return None
        answer = _parsed(response.status_code, await response.content)
        if answer is None:
            context[OUTCOME] = response
            return None
        return response, answer

    def _replay(self, *, request: Any, **_: object) -> AioAWSResponse | None:
        """botocore is about to make its first attempt: it was made."""
        outcome: AioAWSResponse | BotoCoreError | None = request.context.pop(OUTCOME, None)
        if isinstance(outcome, BotoCoreError):
            raise outcome
        return outcome


async def _signed(learned: _Learned, params: Mapping[str, Any], context: dict[str, Any]) -> AWSPreparedRequest:
    """A first attempt. Raises CredentialRetrievalError and NoCredentialsError, as a call of botocore's does."""
    # What botocore repeats has the same id. Source: AWS SDKs guide: retry behavior.
    context["retries"] = {"invocation-id": str(uuid4())}
    request = AWSRequest("POST", params["url"], params["headers"], params["body"])
    auth: Any = await learned.signer.get_auth_instance(learned.name, learned.region, SIGNATURE)
    auth.add_auth(request)
    request.headers["amz-sdk-invocation-id"] = context["retries"]["invocation-id"]
    request.headers["amz-sdk-request"] = "attempt=1"
    request.context = context
    return request.prepare()


def _parsed(status: int, body: bytes) -> dict[str, Any] | None:
    if status != OK:
        return None
    try:
        answer = from_json(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
