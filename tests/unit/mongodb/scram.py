"""The server's side of signing in with SCRAM-SHA-256. Source: RFC 5802 and 7677."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

SALT: Final = b"0123456789abcdef"
ITERATIONS: Final = 4096


class ScramServer:
    """Signs in one connection; ``passwords`` are by user. Without any, everything is left to others."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = passwords
        self._password = ""
        self._said: list[str] = []
        self.signed_in = not passwords

    def reply(self, command: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a command of the login, or to one that comes before it; ``None`` for all others."""
        if not self._passwords:
            return None
        name = next(iter(command))
        if name == "saslStart":
            return self._begin(command["payload"].decode())
        if name == "saslContinue":
            return self._end(command["payload"].decode())
        if self.signed_in or name.lower() in ("hello", "ismaster"):
            return None
        return {"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": f"command {name} requires authentication"}

    def _begin(self, first: str) -> dict[str, Any]:
        bare = first.removeprefix("n,,")
        fields = _fields(bare)
        self._password = self._passwords.get(fields["n"], "")
        answer = f"r={fields['r']}server,s={base64.b64encode(SALT).decode()},i={ITERATIONS}"
        self._said = [bare, answer]
        return {"ok": 1.0, "conversationId": 1, "done": False, "payload": answer.encode()}

    def _end(self, final: str) -> dict[str, Any]:
        without_proof, _, proof = final.rpartition(",p=")
        message = ",".join([*self._said, without_proof]).encode()
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), SALT, ITERATIONS)
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), message)
        expected = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        if not self._password or base64.b64decode(proof) != expected:
            return {"ok": 0.0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
        self.signed_in = True
        verifier = base64.b64encode(_hmac(_hmac(salted, b"Server Key"), message)).decode()
        return {"ok": 1.0, "conversationId": 1, "done": True, "payload": f"v={verifier}".encode()}


def _fields(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(","))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
