"""The management plugin's HTTP API, where an environment names it: AMQP does not tell what a queue is.

Source: RabbitMQ documentation: HTTP API reference: /api/queues/vhost/name.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from eventflow.errors import AccessDeniedError, ResourceNotFoundError, UnavailableError
from eventflow_rabbitmq.faults import CREATE_QUEUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.message_queues import QueueAddress
    from eventflow_rabbitmq.options import RabbitMQOptions

ANSWER_SECONDS: Final = 10.0
QUORUM: Final = "quorum"
_ASKING: Final = "asking the management plugin"
_LIMITS_BY_DEFAULT: Final = 4
"""Since RabbitMQ 4.0 quorum queues have a delivery limit of 20 unless told otherwise."""


class QueueSettings(NamedTuple):
    """What matters of a queue. ``delivery_limit`` is ``None`` without one."""

    type: str
    delivery_limit: int | None
    dead_letters: bool


async def queue_settings(options: RabbitMQOptions, address: QueueAddress, *, resource: str) -> QueueSettings | None:
    """The settings of a queue; ``None`` if the environment names no management plugin.

    Raises ResourceNotFoundError, AccessDeniedError, UnavailableError.
    """
    if options.management_url is None:
        return None
    queue = await asyncio.to_thread(
        _get, options, f"queues/{quote(address.virtual_host, safe='')}/{quote(address.queue, safe='')}", resource
    )
    overview = await asyncio.to_thread(_get, options, "overview", resource)
    return _settings(queue, version=str(overview.get("rabbitmq_version", "")))


def _settings(queue: Mapping[str, Any], *, version: str) -> QueueSettings:
    """Arguments go before policies."""
    arguments: Mapping[str, Any] = queue.get("arguments") or {}
    policy: Mapping[str, Any] = queue.get("effective_policy_definition") or {}
    kind = str(queue.get("type", "classic"))
    limit = arguments.get("x-delivery-limit", policy.get("delivery-limit"))
    major = version.partition(".")[0]
    if limit is None and kind == QUORUM and major.isdigit() and int(major) >= _LIMITS_BY_DEFAULT:
        limit = 20
    dead_letters = arguments.get("x-dead-letter-exchange", policy.get("dead-letter-exchange"))
    return QueueSettings(
        type=kind,
        delivery_limit=limit if isinstance(limit, int) and limit >= 0 and kind == QUORUM else None,
        dead_letters=dead_letters is not None,
    )


def _get(options: RabbitMQOptions, path: str, resource: str) -> Mapping[str, Any]:
    credentials = b64encode(f"{options.username}:{options.password}".encode()).decode()
    url = f"{(options.management_url or '').rstrip('/')}/api/{path}"
    request = Request(url, headers={"Authorization": f"Basic {credentials}"})
    context = ssl.create_default_context(cafile=options.ca_file)
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context), _NoRedirects())
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            found = json.load(answer)
    except HTTPError as exc:
        with exc:
            raise _refusal(resource, exc) from exc
    except (URLError, OSError, ValueError) as exc:
        raise UnavailableError(resource, f"{_ASKING}: {exc}") from exc
    if not isinstance(found, dict):
        raise UnavailableError(resource, f"{_ASKING}: the answer is not the management plugin's")
    return found


class _NoRedirects(HTTPRedirectHandler):
    """Credentials go where they were meant to go."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _refusal(resource: str, exc: HTTPError) -> ResourceNotFoundError | AccessDeniedError | UnavailableError:
    match exc.code:
        case HTTPStatus.NOT_FOUND:
            return ResourceNotFoundError(resource, f"does not exist ({_ASKING})", mend=CREATE_QUEUE)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            mend = "give the user the tag `monitoring`, or leave management_url out"
            return AccessDeniedError(resource, f"{_ASKING} is denied ({exc.code})", mend=mend)
    return UnavailableError(resource, f"{_ASKING}: it answers {exc.code}")
