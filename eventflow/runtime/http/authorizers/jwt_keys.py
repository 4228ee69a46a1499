"""Tokens and the keys that signed them. Source: API Gateway guide: http-api-jwt-authorizer; OpenID Connect Discovery;
RFC 7517, 7519."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import jwt

from eventflow.policy.authorization import claim_problem

if TYPE_CHECKING:
    from eventflow.model.authorizers import JwtAuthorizer

_log = logging.getLogger(__name__)

FETCH_SECONDS: Final = 1.5
MAXIMUM_DOCUMENT_BYTES: Final = 150_000
KEPT_SECONDS: Final = 2 * 3600.0
"""How long keys are believed."""
REFRESH_SECONDS: Final = 10.0
"""How soon an unknown key may make us look again: tokens with made-up keys must not make us flood the issuer."""
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
MAXIMUM_TOKEN_CHARACTERS: Final = 10_240

_SIGNATURE_ONLY: Final[Any] = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)
"""The claims are checked here, by our clock."""

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Gets a document by its URL. Raises OSError or TimeoutError."""


class InvalidTokenError(Exception):
    """A token that lets nobody pass; the text is for the client."""


class KeysUnavailableError(InvalidTokenError):
    """The issuer's keys cannot be had."""


async def fetch(url: str) -> bytes:
    """A document over HTTP, within 1.5 s and 150,000 bytes, without following redirects. Raises OSError."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise OSError(f"{url} answers {response.status}")
            body = bytearray()
            async for piece in response.content.iter_chunked(16_384):
                body += piece
                if len(body) > MAXIMUM_DOCUMENT_BYTES:
                    raise OSError(f"{url} has more than {MAXIMUM_DOCUMENT_BYTES} bytes")
            return bytes(body)
    except aiohttp.ClientError as exc:
        raise OSError(f"{url}: {exc or type(exc).__name__}") from exc


class Keys:
    """The public keys of an issuer, by their ids: fetched when one is needed that is not there, once for all."""

    def __init__(self, issuer: str, *, get: Fetch = fetch, now: Callable[[], float] | None = None) -> None:
        self._issuer = issuer
        self._get = get
        self._now = now or asyncio.get_running_loop().time
        self._keys: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> Any:
        """The key with this id. Raises KeysUnavailableError, and InvalidTokenError if the issuer has no such key."""
        if not self._is_known(key_id):
            async with self._lock:
                if not self._is_known(key_id) and self._may_try():
                    await self._refresh()
        if self._fetched_at is None or self._now() - self._fetched_at >= KEPT_SECONDS:
            raise KeysUnavailableError("the issuer's keys cannot be fetched")
        found = self._keys.get(key_id)
        if found is None:
            raise InvalidTokenError("the token is signed with an unknown key")
        return found

    def _is_known(self, key_id: str) -> bool:
        return key_id in self._keys and self._fetched_at is not None and self._now() - self._fetched_at < KEPT_SECONDS

    def _may_try(self) -> bool:
        return self._tried_at is None or self._now() - self._tried_at >= REFRESH_SECONDS

    async def _refresh(self) -> None:
        self._tried_at = self._now()
        try:
            discovery = _object(await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"))
            url = discovery.get("jwks_uri")
            if not isinstance(url, str) or not url.startswith(("https://", "http://")):
                raise ValueError("the OpenID configuration names no jwks_uri")
            if url.startswith("http://") and not self._issuer.startswith("http://"):
                raise ValueError(f"{url} is not https")
            keys = _object(await self._get(url)).get("keys")
            if not isinstance(keys, list):
                raise ValueError(f"{url} has no keys")
            self._keys = dict(filter(None, map(_rsa_key, keys)))
            self._fetched_at = self._now()
        except (OSError, TimeoutError, ValueError) as exc:
            _log.warning("the keys of %s cannot be fetched: %s", self._issuer, exc)


def _object(document: bytes) -> dict[str, Any]:
    value = json.loads(document)
    if not isinstance(value, dict):
        raise ValueError("the document is no JSON object")
    return value


def _rsa_key(key: Any) -> tuple[str, Any] | None:
    """A key that may sign tokens, with its id; ``None`` for one of another kind."""
    if not isinstance(key, dict) or key.get("kty") != "RSA" or not isinstance(key.get("kid"), str):
        return None
    try:
        return key["kid"], jwt.PyJWK(key, algorithm=ALGORITHMS[0]).key
    except jwt.PyJWTError as exc:
        _log.warning("the key %s cannot be read: %s", key["kid"], exc)
        return None


async def claims_of(token: str, authorizer: JwtAuthorizer, keys: Keys, *, now: float) -> dict[str, Any]:
    """The claims of a token that is what it should be. Raises InvalidTokenError."""
    if len(token) > MAXIMUM_TOKEN_CHARACTERS:
        raise InvalidTokenError("the token is too long")
    try:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(key_id, str):
            raise InvalidTokenError("the token names no RSA algorithm, or no key")
        key = await keys.key(key_id)
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[header["alg"]], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError) as exc:
        raise InvalidTokenError("the token cannot be read, or its signature is wrong") from exc
    problem = claim_problem(claims, issuer=authorizer.issuer, audience=authorizer.audience, now=now)
    if problem is not None:
        raise InvalidTokenError(problem)
    return claims
