"""One distribution, as an ASGI application: the four moments of a request, around its origin.

There is no cache: every request goes on to the origin, as with CloudFront's managed policies CachingDisabled and
AllViewerExceptHostHeader. Source: CloudFront guide: CloudFront events that can trigger a Lambda@Edge function;
request and response behavior for custom origins.
"""

from __future__ import annotations

import base64
import logging
from asyncio import CancelledError, create_task
from contextlib import AsyncExitStack
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.callers import EdgeEventType
from eventflow.model.edge import REQUEST_BYTES, URL_BYTES
from eventflow.policy.edge import EdgeError, body_limit, content_of, is_response, replaces
from eventflow.policy.edge_headers import is_header
from eventflow.runtime.edge.bodies import RequestBody
from eventflow.runtime.edge.hooks import HookFailedError, Hooks
from eventflow.runtime.edge.messages import (
    appended,
    new_request_id,
    origin_request,
    passed_by,
    response_of_origin,
    to_origin,
    via,
    viewer_request,
    wire_headers,
)
from eventflow.runtime.edge.origins import OriginError
from eventflow.runtime.http.bodies import ClientGoneError, head_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Mapping, Sequence

    from eventflow.model.edge import Distribution
    from eventflow.model.json import JsonObject
    from eventflow.ports import Clock
    from eventflow.runtime.callers import Callers
    from eventflow.runtime.edge.origins import OriginResponse, Origins, Pair
    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.http.asgi import Receive, Scope, Send

_log = logging.getLogger(__name__)

_BODYLESS: Final = frozenset({204, 304})
_ERROR: Final = "Error"
_GENERATED: Final = "LambdaGeneratedResponse"
_STOPPING: Final = EdgeError(503, _ERROR, "The proxy is stopping.")


class _Reply(NamedTuple):
    """What a viewer gets. ``result`` is in its ``X-Cache``. The body is ``content``, or, if that is ``None``, what
    ``stream`` gives, of ``length`` bytes if that is known. ``hidden`` are headers that functions do not see."""

    response: JsonObject
    result: str
    content: bytes | None = None
    stream: AsyncIterator[bytes] | None = None
    length: bytes | None = None
    hidden: Sequence[Pair] = ()


class EdgeProxy:
    """Answers viewers of one distribution."""

    def __init__(
        self,
        distribution: Distribution,
        functions: Mapping[str, RunningFunction],
        *,
        callers: Callers,
        origins: Origins,
        clock: Clock,
    ) -> None:
        self._distribution = distribution
        self._hooks = Hooks(distribution, functions, callers)
        self._callers = callers
        self._origins = origins
        self._clock = clock
        self._abandoned = False

    @property
    def websockets(self) -> None:
        """None: whoever asks for one is answered like any other request."""
        return

    @property
    def outliving(self) -> frozenset[asyncio.Task[Any]]:
        """Invocations that may outlive their requests; whoever stops the server waits for them."""
        return self._callers.outliving

    def abandon(self) -> None:
        """The server stops without waiting any longer: what is cancelled from now on is answered with 503."""
        self._abandoned = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A viewer that leaves meanwhile does not stop a function."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the ASGI scope {scope['type']!r} is not served here")
        request_id = new_request_id()
        header_bytes, declared = head_of(scope["headers"])
        body = RequestBody(receive, declared)
        async with AsyncExitStack() as stack:
            try:
                refused = self._refused(scope, header_bytes, declared)
                reply = self._refusal(refused) if refused else await self._reply(scope, body, request_id, stack)
            except ClientGoneError:
                return
            except HookFailedError as exc:
                reply = self._refusal(exc.error)
            except OriginError as exc:
                if body.viewer_is_gone:
                    return
                _log.warning("the origin of %s gave no answer: %s", self._distribution.name, exc)
                reply = self._refusal(EdgeError(exc.status, _ERROR, "The origin gave no answer."))
            except CancelledError:
                if not self._abandoned:
                    raise
                reply = self._refusal(_STOPPING)
            await self._send(scope, send, reply, request_id, body)

    async def _reply(self, scope: Scope, body: RequestBody, request_id: str, stack: AsyncExitStack) -> _Reply:
        """The chain. Raises ClientGoneError, HookFailedError, OriginError."""
        request, generated = await self._ask(EdgeEventType.VIEWER_REQUEST, request_id, viewer_request(scope), body)
        if generated is not None:
            return self._via_here(_generated(generated))
        reply = self._via_here(await self._of_origin(request_id, request, body, stack))
        response = reply.response
        if reply.result != _ERROR and self._hooks.has(EdgeEventType.VIEWER_RESPONSE):
            seen = {key: value for key, value in response.items() if key in ("status", "statusDescription", "headers")}
            response = await self._hooks.answer(EdgeEventType.VIEWER_RESPONSE, request_id, request, seen)
        return reply._replace(response=response)

    def _refused(self, scope: Scope, header_bytes: int, declared: int) -> EdgeError | None:
        """Why a request goes nowhere."""
        headers = dict(scope["headers"])
        url_bytes = len(scope["raw_path"]) + len(scope["query_string"]) + bool(scope["query_string"])
        if url_bytes > URL_BYTES or url_bytes + header_bytes > REQUEST_BYTES:
            return EdgeError(413, _ERROR, "The request, or its URL, is too long.")
        if headers.get(b"upgrade", b"").lower() == b"websocket":
            return EdgeError(501, _ERROR, "The edge proxy passes no WebSocket connections on.")
        if scope["method"] not in self._distribution.allowed_methods:
            allowed = ", ".join(self._distribution.allowed_methods)
            return EdgeError(403, _ERROR, f"The distribution allows {allowed} only.")
        if scope["method"] == "GET" and declared:
            return EdgeError(403, _ERROR, "A GET request has no body.")
        if not scope["raw_path"].startswith(b"/"):
            return EdgeError(400, _ERROR, "The path of the request does not begin with a slash.")
        return None

    async def _ask(
        self, event_type: EdgeEventType, request_id: str, request: JsonObject, body: RequestBody
    ) -> tuple[JsonObject, JsonObject | None]:
        """The request as it goes on, and the response that was generated instead, if one was."""
        if not self._hooks.has(event_type):
            return request, None
        given = request
        if self._hooks.includes_body(event_type):
            given = {**request, "body": await _shown(body, body_limit(event_type))}
        answer = await self._hooks.answer(event_type, request_id, given)
        if is_response(answer):
            return request, answer
        changed = answer.get("body")
        if replaces(changed):
            body.replace(content_of(changed.get("data", ""), changed.get("encoding", "base64")))
        changes: JsonObject = {
            key: answer.get(key) or empty for key, empty in (("uri", ""), ("querystring", ""), ("headers", {}))
        }
        origin = {"origin": answer["origin"]} if "origin" in request else {}
        return {**request, **changes, **origin}, None

    async def _of_origin(
        self, request_id: str, request: JsonObject, body: RequestBody, stack: AsyncExitStack
    ) -> _Reply:
        """From the request to the origin to the response of it, with the functions of both."""
        await self._origins.find(self._distribution.origin.host)
        request = origin_request(self._distribution, request)
        request, generated = await self._ask(EdgeEventType.ORIGIN_REQUEST, request_id, request, body)
        if generated is not None:
            return _generated(generated)
        outbound = to_origin(self._distribution, request, body, request_id)
        answered = await stack.enter_async_context(self._origins.send(outbound))
        if not 200 <= answered.status <= 599:
            raise OriginError(502, f"{outbound.url.netloc} answered with the status {answered.status}")
        if not all(is_header(name, value) for name, value in answered.headers):
            raise OriginError(502, f"{outbound.url.netloc} answered with a header that is none")
        reply = _passed_on(answered)
        if not self._hooks.has(EdgeEventType.ORIGIN_RESPONSE):
            return reply
        response = await self._hooks.answer(EdgeEventType.ORIGIN_RESPONSE, request_id, request, reply.response)
        if response.get("body") is not None:
            return _generated(response)._replace(result=reply.result, hidden=reply.hidden)
        return reply._replace(response=response)

    def _via_here(self, reply: _Reply) -> _Reply:
        headers = appended(reply.response.get("headers") or {}, "Via", via(self._distribution))
        return reply._replace(response={**reply.response, "headers": headers})

    def _refusal(self, error: EdgeError) -> _Reply:
        headers = {
            "server": [{"key": "Server", "value": "CloudFront"}],
            "content-type": [{"key": "Content-Type", "value": "text/plain; charset=utf-8"}],
        }
        response = {"status": str(error.status), "headers": headers}
        return self._via_here(_Reply(response, error.result, f"{error.message}\n".encode()))

    async def _send(self, scope: Scope, send: Send, reply: _Reply, request_id: str, body: RequestBody) -> None:
        status = int(reply.response["status"])
        headers = wire_headers(reply.response.get("headers"))
        headers += [(name.encode(), value.encode("latin-1")) for name, value in reply.hidden]
        headers += [(b"x-cache", f"{reply.result} from cloudfront".encode()), (b"x-amz-cf-id", request_id.encode())]
        if all(name != b"date" for name, _ in headers):
            headers.append((b"date", formatdate(self._clock.time(), usegmt=True).encode()))
        length = reply.length if reply.content is None else b"%d" % len(reply.content)
        if length is not None and status not in _BODYLESS:
            headers.append((b"content-length", length))
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if scope["method"] == "HEAD" or status in _BODYLESS or reply.content is not None:
                await send({"type": "http.response.body", "body": _whole(scope, status, reply)})
            elif reply.stream is not None:
                await self._stream(send, reply.stream, body)
        except OSError:  # how ASGI servers say that the client has gone
            return

    async def _stream(self, send: Send, pieces: AsyncIterator[bytes], body: RequestBody) -> None:
        """Pass a body on as it comes. One that ends too early is left without an end, which the viewer notices."""
        leaving = create_task(body.viewer_left())
        try:
            async for piece in pieces:
                if leaving.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except OriginError as exc:
            if not body.viewer_is_gone:
                _log.warning("the origin of %s did not finish its answer: %s", self._distribution.name, exc)
        finally:
            leaving.cancel()


def _generated(response: JsonObject) -> _Reply:
    """A response that is a function's, body and all."""
    content = content_of(response.get("body") or "", response.get("bodyEncoding") or "text")
    return _Reply(response, _GENERATED, content)


def _whole(scope: Scope, status: int, reply: _Reply) -> bytes:
    return b"" if scope["method"] == "HEAD" or status in _BODYLESS else reply.content or b""


async def _shown(body: RequestBody, limit: int) -> JsonObject:
    """A request's body as functions get it."""
    seen, truncated = await body.peek(limit)
    return {
        "inputTruncated": truncated,
        "action": "read-only",
        "encoding": "base64",
        "data": base64.b64encode(seen).decode(),
    }


def _passed_on(answered: OriginResponse) -> _Reply:
    """An origin's response as it came."""
    lengths = [value.encode() for name, value in answered.headers if name.lower() == "content-length"]
    return _Reply(
        response_of_origin(answered),
        _ERROR if answered.status >= 400 else "Miss",
        stream=answered.body,
        length=lengths[0] if lengths else None,
        hidden=passed_by(answered),
    )
