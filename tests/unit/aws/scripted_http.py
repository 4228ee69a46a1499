"""Connections of aiobotocore as a script: they answer what a test says, and remember what was sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.httpsession import AIOHTTPSession
from botocore.awsrequest import AWSPreparedRequest


@dataclass(frozen=True)
class Answer:
    """A response of HTTP."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    async def read(self) -> bytes:
        return self.body


class ScriptedSession(AIOHTTPSession):
    """``answers`` are for one request each, in order; an exception is raised. ``requests`` are those that were sent.
    A test sets both anew: a client makes its session itself."""

    answers: ClassVar[deque[Answer | Exception]] = deque()
    requests: ClassVar[list[dict[str, Any]]] = []

    async def send(self, request: AWSPreparedRequest) -> AioAWSResponse:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        self.requests.append({"url": request.url, "headers": headers, "body": request.body})
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return AioAWSResponse(request.url, answer.status, cast(Any, answer.headers), answer)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
