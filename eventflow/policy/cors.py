"""Headers for cross-origin requests. Source: API Gateway guide: http-api-cors; Lambda guide: urls-configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.model.cors import Cors

Header = tuple[bytes, bytes]

OWN: Final = frozenset(
    f"access-control-{name}".encode()
    for name in ("allow-origin", "allow-methods", "allow-headers", "allow-credentials", "expose-headers", "max-age")
)
"""What a function may not say for itself where CORS is configured."""

_VARY: Final = (b"vary", b"origin")


class CrossOrigin(NamedTuple):
    """What a request says of the page it comes from."""

    origin: str
    asks_method: str
    asks_headers: str

    @classmethod
    def of(cls, headers: Iterable[Header]) -> CrossOrigin | None:
        """``None`` for a request that no page of another origin makes."""
        named = dict(headers)
        origin = named.get(b"origin")
        if origin is None:
            return None
        method, names = (named.get(b"access-control-request-" + name, b"") for name in (b"method", b"headers"))
        return cls(origin.decode("latin-1"), method.decode("latin-1"), names.decode("latin-1"))


def is_preflight(method: str, request: CrossOrigin | None) -> bool:
    """Whether a browser asks if it may send a request."""
    return method == "OPTIONS" and request is not None and bool(request.asks_method)


def preflight_headers(cors: Cors, request: CrossOrigin) -> list[Header]:
    """What it is told; nothing if its page may not call."""
    headers = _origin(cors, request.origin)
    if not headers:
        return []
    # With credentials, browsers take a star for a name.
    stars = cors.allow_credentials
    methods = [request.asks_method] if stars and "*" in cors.allow_methods else cors.allow_methods
    names = [request.asks_headers] if stars and "*" in cors.allow_headers else cors.allow_headers
    headers += [(b"access-control-allow-methods", _joined(methods))] if methods else []
    headers += [(b"access-control-allow-headers", _joined(names))] if any(names) else []
    if cors.max_age_seconds is not None:
        headers.append((b"access-control-max-age", b"%d" % cors.max_age_seconds))
    return headers


def response_headers(cors: Cors, request: CrossOrigin) -> list[Header]:
    """What is added to a response; nothing if the page may not read it."""
    headers = _origin(cors, request.origin)
    if headers and cors.expose_headers:
        headers.append((b"access-control-expose-headers", _joined(cors.expose_headers)))
    return headers


def _origin(cors: Cors, origin: str) -> list[Header]:
    if "*" in cors.allow_origins:
        return [(b"access-control-allow-origin", b"*")]
    scheme = origin.partition("://")[0].lower()
    if origin not in cors.allow_origins and not (scheme in ("http", "https") and f"{scheme}://*" in cors.allow_origins):
        return []
    headers = [(b"access-control-allow-origin", origin.encode("latin-1")), _VARY]
    if cors.allow_credentials:
        headers.append((b"access-control-allow-credentials", b"true"))
    return headers


def _joined(values: Iterable[str]) -> bytes:
    return ",".join(values).encode("latin-1")
