"""Distributions as an environment declares them, and CloudFront's numbers. Source: CloudFront guide: quotas."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_BYTES: Final = 32_768
"""Request line and headers."""
URL_BYTES: Final = 8_192
"""A request's URL, and what functions make of ``uri`` and ``querystring``."""
VIEWER_BYTES: Final = 40 * 1024
"""What a viewer function sees of a body, and may generate or replace."""
ORIGIN_BYTES: Final = 1024 * 1024
"""The same for a function of the origin."""
READ_TIMEOUT_SECONDS: Final = (4, 60)
KEEPALIVE_TIMEOUT_SECONDS: Final = (1, 60)
CONNECT_SECONDS: Final = 10.0

ALL_METHODS: Final = ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE")
METHOD_SETS: Final = (("GET", "HEAD"), ("GET", "HEAD", "OPTIONS"), ALL_METHODS)
"""What a cache behaviour may allow. Source: CloudFront API: AllowedMethods."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+")
_PATH: Final = re.compile(r"(/[^/?#\s]+)*")


class OriginUrl(NamedTuple):
    """Where an origin is. ``path`` comes before that of each request and has no slash at its end."""

    protocol: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``http://127.0.0.1:9000`` or ``https://example.com/site``. Raises ValueError for anything else."""
        parts = urlsplit(text)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not _HOST.fullmatch(parts.hostname):
            raise ValueError("is no URL of HTTP")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("has more than a host, a port and a path")
        path = parts.path.rstrip("/")
        if not _PATH.fullmatch(path):
            raise ValueError("has a path that is none")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], path)

    @property
    def netloc(self) -> str:
        """As a ``Host`` header: the port only if it is not the protocol's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.protocol] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.protocol}://{self.netloc}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One distribution: what is in front of which origin. ``port`` 0 takes a free one. ``origins`` tells where the
    domain names are that functions choose; ``origin_headers`` are sent to the origin with every request."""

    name: str
    origin: OriginUrl
    port: int = 0
    distribution_id: str
    domain_name: str
    allowed_methods: tuple[str, ...] = ALL_METHODS
    origin_headers: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS, repr=False)  # may hold secrets
    origin_read_timeout_seconds: int = 30
    origins: Mapping[str, OriginUrl] = field(default_factory=dict)


def request_target(uri: str, querystring: str) -> str:
    """A request's path and query as they are sent: what is no ASCII is UTF-8, percent-encoded, and a question mark
    belongs to the path."""
    path = quote(uri, safe=_PRINTABLE.replace("?", ""))
    return f"{path}?{quote(querystring, safe=_PRINTABLE)}" if querystring else path


_PRINTABLE: Final = "".join(chr(code) for code in range(33, 127) if chr(code) != "#")
