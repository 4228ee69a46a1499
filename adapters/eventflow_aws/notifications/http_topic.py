"""What SNS posts about one topic. Source: SNS guide: HTTP and HTTPS endpoints, verifying the signatures of messages."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflow.errors import AdapterError, NotAuthenticError, UnavailableError
from eventflow.ports import PushResponse
from eventflow_aws.notifications.messages import Kind, read_message
from eventflow_aws.notifications.sns_signatures import OPTIONAL, SIGNED
from eventflow_aws.options import topic_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventflow.ports import Deliver, PushRequest
    from eventflow_aws.notifications.sns_events import TopicInterest
    from eventflow_aws.notifications.sns_signatures import Signatures

    Confirm = Callable[[str], Awaitable[None]]

_log = logging.getLogger(__name__)

RAW_DELIVERY: Final = "x-amz-sns-rawdelivery"
_SIGNATURE: Final = ("SignatureVersion", "Signature", "SigningCertURL")


class HttpTopic:
    """One topic, and the functions that its messages are for. Nothing is believed that SNS did not sign."""

    def __init__(self, arn: str, resource: str, signatures: Signatures, confirm: Confirm) -> None:
        self.path = topic_path(resource)
        self._arn = arn
        self._resource = resource
        self._signatures = signatures
        self._confirm = confirm
        self._interests: dict[TopicInterest, Deliver | None] = {}

    def add(self, interest: TopicInterest) -> None:
        """From now on, a message is accepted only if this one's function has it too."""
        self._interests[interest] = None

    def remove(self, interest: TopicInterest) -> None:
        self._interests.pop(interest, None)

    async def run(self, interest: TopicInterest, deliver: Deliver) -> None:
        """Hand on what is for ``interest`` until cancelled."""
        self._interests[interest] = deliver
        try:
            await anyio.sleep_forever()
        finally:
            if interest in self._interests:
                self._interests[interest] = None

    async def handle(self, request: PushRequest) -> PushResponse:
        """The answer to one request of SNS, or of somebody who claims to be it. SNS tries again after a 5xx only."""
        try:
            text = envelope_text(request)
            message = signed_message(text)
            self._check_topic(message["TopicArn"])
            await self._signatures.check(message)
            await self._take(message["Type"], message, text)
        except NotAMessageError as exc:
            return self._refusal(400, exc)
        except NotAuthenticError as exc:
            return self._refusal(403, exc)
        except AdapterError as exc:
            _log.warning("%s: a request over HTTP could not be taken, SNS will try again: %s", self._resource, exc)
            return PushResponse(503, "try again later")
        return PushResponse(200)

    def _check_topic(self, arn: str) -> None:
        if arn != self._arn:
            raise NotAuthenticError(f"it is of the topic {arn!r:.300}, and this is the endpoint of {self._arn}")

    def _refusal(self, status: int, exc: Exception) -> PushResponse:
        _log.warning("%s: a request over HTTP is refused: %s", self._resource, exc)
        return PushResponse(status, str(exc))

    async def _take(self, kind: str, message: dict[str, str], text: str) -> None:
        if kind == "SubscriptionConfirmation":
            await self._confirm(message["Token"])
            _log.info("%s: the subscription of this endpoint is confirmed", self._resource)
        elif kind == "UnsubscribeConfirmation":  # its link would subscribe again
            _log.warning("%s: the subscription of this endpoint has ended", self._resource)
        else:
            await self._deliver(text)

    async def _deliver(self, text: str) -> None:
        """To every function whose filter policy lets it through. Raises AdapterError if one has it not."""
        message = read_message(text)
        if message.notification is None:
            raise NotAMessageError("its MessageAttributes are none")
        message = message._replace(content=None, kind=Kind.UNKNOWN)
        for deliver, payload in [(deliver, interest.payload(message)) for interest, deliver in self._takers()]:
            if payload is not None:
                await deliver(payload)

    def _takers(self) -> list[tuple[TopicInterest, Deliver]]:
        """All the functions, or UnavailableError if one of them is not there: it must not miss a message."""
        takers = [(interest, deliver) for interest, deliver in self._interests.items() if deliver is not None]
        if not takers or len(takers) < len(self._interests):
            raise UnavailableError(self._resource, "not every function takes events now")
        return takers


class NotAMessageError(Exception):
    """A request that is none of SNS's, or one that cannot be verified. The text says why."""


def envelope_text(request: PushRequest) -> str:
    """The body of a request. Raises NotAMessageError if it is raw or no text."""
    if request.headers.get(RAW_DELIVERY, "").lower() == "true":
        raise NotAMessageError("raw messages are not signed; set RawMessageDelivery of the subscription to false")
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        raise NotAMessageError("the body is not UTF-8 text") from None


def signed_message(text: str) -> dict[str, str]:
    """What is signed of a message, and its signature. Raises NotAMessageError."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    kind = content.get("Type") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in SIGNED:
        raise NotAMessageError("the body is no message of SNS's")
    wanted = [*SIGNED[kind], *_SIGNATURE]
    message = {name: content[name] for name in wanted if content.get(name) is not None}
    for name in wanted:
        if not isinstance(message.get(name, "" if name in OPTIONAL else None), str):
            raise NotAMessageError(f"{name} is missing, or no text")
    return message
