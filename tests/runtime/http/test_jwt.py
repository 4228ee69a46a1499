"""JWT authorizers: tokens by a library nobody here wrote, keys from an issuer on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from eventflow import App, ConfigurationError, Environment, jwt_authorizer, on_http, on_rest
from eventflow.runtime.http.authorizers.jwt_keys import (
    KEPT_SECONDS,
    MAXIMUM_DOCUMENT_BYTES,
    REFRESH_SECONDS,
    InvalidTokenError,
    Keys,
    KeysUnavailableError,
    fetch,
)
from eventflow.testing.virtual_time import VirtualClock
from tests.runtime.http.harness import Reply, Running, running

ISSUER = "https://id.example.com"


def now() -> int:
    """The time as the app under test has it."""
    return int(VirtualClock().time())


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def public(number: int) -> dict[str, Any]:
    key: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(number).public_key(), as_dict=True)
    return {**key, "kid": f"key-{number}", "use": "sig"}


def token(number: int = 1, *, algorithm: str = "RS256", kid: Any = None, **claims: Any) -> str:
    values = {"aud": "shop", "exp": now() + 600, "iat": now() - 60, "sub": "me", **claims}
    headers = {"kid": kid or f"key-{number}"}
    return jwt.encode(values, rsa_key(number), algorithm=algorithm, headers=headers)


class Issuer:
    """Answers from memory, and counts."""

    def __init__(self, *numbers: int) -> None:
        self.keys = [public(number) for number in numbers]
        self.fetched: list[str] = []
        self.error: Exception | None = None

    async def get(self, url: str) -> bytes:
        self.fetched.append(url)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if url.endswith("/.well-known/openid-configuration"):
            return json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}).encode()
        return json.dumps({"keys": self.keys}).encode()


async def test_keys_are_found_through_discovery_once_for_all_who_wait() -> None:
    issuer = Issuer(1, 2)
    keys = Keys(ISSUER, get=issuer.get)
    await asyncio.gather(*[keys.key(f"key-{number}") for number in (1, 2, 1)])
    assert issuer.fetched == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"]


async def test_an_unknown_key_is_looked_for_but_not_each_time() -> None:
    issuer = Issuer(1)
    keys = Keys(ISSUER, get=issuer.get)
    await keys.key("key-1")
    issuer.keys.append(public(2))
    for _ in range(3):
        with pytest.raises(InvalidTokenError, match="unknown key"):
            await keys.key("key-2")
    assert len(issuer.fetched) == 2
    await asyncio.sleep(REFRESH_SECONDS)
    assert await keys.key("key-2")
    assert len(issuer.fetched) == 4


async def test_keys_are_believed_for_a_while_and_never_longer() -> None:
    issuer = Issuer(1)
    keys = Keys(ISSUER, get=issuer.get)
    await keys.key("key-1")
    issuer.error = OSError("down")
    await asyncio.sleep(KEPT_SECONDS - 1)
    assert await keys.key("key-1")
    await asyncio.sleep(1)
    with pytest.raises(KeysUnavailableError):
        await keys.key("key-1")
    issuer.error, issuer.keys = None, [public(2)]
    await asyncio.sleep(REFRESH_SECONDS)
    with pytest.raises(InvalidTokenError, match="unknown key"):
        await keys.key("key-1")


@pytest.mark.parametrize(
    "documents",
    [
        [b"no json"], [b"[]"], [b"{}"], [b'{"jwks_uri":"http://evil"}'], [b'{"jwks_uri":"file:///x"}'],
        [b'{"jwks_uri":"https://a"}', b'{"keys":{}}'],
    ],
)  # fmt: skip
async def test_documents_that_are_none_give_no_keys(documents: list[bytes]) -> None:
    async def get(url: str) -> bytes:
        return documents.pop(0)

    with pytest.raises(KeysUnavailableError):
        await Keys(ISSUER, get=get).key("key-1")
    assert documents == []


async def test_only_rsa_keys_count() -> None:
    issuer = Issuer(1)
    elliptic = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    issuer.keys += [{**elliptic, "kid": "ec"}, {"kty": "RSA", "kid": "broken", "n": "!", "e": "!"}, 1, {"kty": "RSA"}]  # type: ignore[list-item]
    keys = Keys(ISSUER, get=issuer.get)
    assert await keys.key("key-1")
    for name in ("ec", "broken"):
        with pytest.raises(InvalidTokenError):
            await keys.key(name)


# Over real sockets


class Site:
    """An issuer on a socket."""

    def __init__(self) -> None:
        self.url = ""
        self.numbers = [1]
        self.released = asyncio.Event()

    async def configuration(self, request: web.Request) -> web.Response:
        return web.json_response({"jwks_uri": f"{self.url}/keys"})

    async def keys(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": [public(number) for number in self.numbers]})

    async def large(self, request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (MAXIMUM_DOCUMENT_BYTES + 1))

    async def moved(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("/keys")

    async def slow(self, request: web.Request) -> web.Response:
        await self.released.wait()
        return web.Response()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    found = Site()
    application = web.Application()
    application.router.add_get("/.well-known/openid-configuration", found.configuration)
    for name in ("keys", "large", "moved", "slow"):
        application.router.add_get(f"/{name}", getattr(found, name))
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        found.released.set()
        await runner.cleanup()


real_loop = pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])


@real_loop
async def test_a_document_is_fetched_within_limits() -> None:
    async with site() as issuer:
        assert json.loads(await fetch(f"{issuer.url}/keys"))["keys"]
        for name in ("large", "moved", "none"):
            with pytest.raises(OSError, match=name):
                await fetch(f"{issuer.url}/{name}")
        with pytest.raises(TimeoutError):
            await fetch(f"{issuer.url}/slow")
    with pytest.raises(OSError, match="127"):
        await fetch(f"{issuer.url}/keys")


@asynccontextmanager
async def protected(version: Any = "2.0") -> AsyncIterator[tuple[Running, Site]]:
    async with site() as issuer:
        signed_in = jwt_authorizer(issuer.url, audience=["shop", "admin"])

        @on_http("GET /any", authorizer=signed_in, payload_format_version=version)
        @on_http("GET /scoped", authorizer=signed_in, scopes=["read", "write"], payload_format_version=version)
        async def get(event: dict[str, Any]) -> dict[str, Any]:
            return {"statusCode": 200, "body": json.dumps(event["requestContext"]["authorizer"])}

        with running(get) as here:
            yield here, issuer


async def get(here: Running, path: str, text: str | None) -> Reply:
    return await here.client.get(path, headers={} if text is None else {"authorization": text})


@real_loop
async def test_a_token_lets_pass_and_its_claims_reach_the_function() -> None:
    async with protected() as (here, issuer):
        good = token(iss=issuer.url, scope="read x", groups=["a", "b"])
        for text in (good, f"Bearer {good}", f"bearer  {good}"):
            reply = await get(here, "/any", text)
            assert reply.status == 200
        authorizer = reply.json()["jwt"]
        assert authorizer["scopes"] is None
        assert (authorizer["claims"]["sub"], authorizer["claims"]["groups"]) == ("me", "[a b]")
        assert authorizer["claims"]["aud"] == "shop"
        scoped = await get(here, "/scoped", good)
        assert scoped.json()["jwt"]["scopes"] == ["read", "x"]


@real_loop
async def test_version_1_has_claims_and_scopes_themselves() -> None:
    async with protected("1.0") as (here, issuer):
        reply = await get(here, "/scoped", token(iss=issuer.url, scp=["write"]))
    assert reply.json()["claims"]["sub"] == "me"
    assert reply.json()["scopes"] == ["write"]


@real_loop
async def test_other_tokens_do_not() -> None:
    async with protected() as (here, issuer):
        url = issuer.url
        good = token(iss=url)
        head, payload, signature = good.split(".")
        claims = {"iss": url, "aud": "shop", "exp": now() + 600}
        unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "key-1"})
        shared = jwt.encode(claims, "x" * 32, headers={"kid": "key-1"})
        wrong = [
            "nonsense", "Bearer", "Bearer a.b.c", unsigned, shared, f"{head}.{payload}.{signature[:-4]}AAAA",
            f"{head}.{token(iss=url, sub='you').split('.')[1]}.{signature}", token(2, kid="key-1", iss=url),
            token(2, iss=url), token(iss="https://other"), token(iss=url, aud="other"), token(iss=url, exp=now() - 1),
            token(iss=url, nbf=now() + 100), token(iss=url, iat=now() + 100), "x" * 10_241,
        ]  # fmt: skip
        for text in wrong:
            reply = await get(here, "/any", text)
            if len(text) <= 10_000:
                assert (reply.status, reply.json()) == (401, {"message": "Unauthorized"}), text
                assert 'error="invalid_token"' in (reply.header("www-authenticate") or "")
        missing = await get(here, "/any", None)
        assert (missing.status, missing.header("www-authenticate")) == (401, "Bearer")
        refused = await get(here, "/scoped", token(iss=url, scope="other"))
        assert (refused.status, refused.json()) == (403, {"message": "Forbidden"})
        assert 'scope="read write" error="insufficient_scope"' in (refused.header("www-authenticate") or "")
        assert here.metrics.of("get", "http").succeeded == 0


@real_loop
async def test_an_issuer_that_is_away_lets_nobody_pass() -> None:
    async with protected() as (here, issuer):
        issuer.url = "http://127.0.0.1:1"
        reply = await get(here, "/any", token(iss="http://127.0.0.1:1"))
    assert reply.status == 401
    assert "keys cannot be fetched" in (reply.header("www-authenticate") or "")


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (on_http("GET /", authorizer=jwt_authorizer("http://id.example.com", audience="a")), "URL with https"),
        (on_http("GET /", authorizer=jwt_authorizer(ISSUER, audience=[])), "audience"),
        (on_http("GET /", authorizer=jwt_authorizer(ISSUER, audience="a", identity_source="x")), "identity source"),
        (on_rest("GET /", authorizer=jwt_authorizer(ISSUER, audience="a")), "only HTTP APIs"),  # type: ignore[arg-type]
    ],
)
def test_a_mistake_is_found_at_freeze(mark: Any, message: str) -> None:
    def handler() -> None: ...

    with pytest.raises(ConfigurationError, match=message):
        App([mark(handler)]).freeze(Environment())
