"""What the app answers, for people and for tools: a page, and the OpenAPI document that it shows."""

from __future__ import annotations

import json
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from eventflow.runtime.http.answers import JSON, METHOD_NOT_ALLOWED, Answer

if TYPE_CHECKING:
    from eventflow.plan.plan import Plan
    from eventflow.runtime.http.asgi import Scope

PAGE: Final = "/docs"
DOCUMENT: Final = "/openapi.json"
PATHS: Final = (PAGE, DOCUMENT)

_HTML: Final = (b"content-type", b"text/html; charset=utf-8")
_POLICY: Final = (
    b"content-security-policy",
    b"default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)


class Docs:
    """Answers ``/docs`` and ``/openapi.json``. Both are made when somebody asks."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def answer(self, path: str, scope: Scope) -> Answer:
        """What is at one of :data:`PATHS`."""
        if scope["method"] not in ("GET", "HEAD"):
            return METHOD_NOT_ALLOWED
        return self._page if path == PAGE else self._document

    @cached_property
    def _document(self) -> Answer:
        from eventflow.runtime.openapi.document import openapi_of  # whoever serves no documentation never loads it

        document = openapi_of(self._plan).document
        return Answer(200, (JSON,), json.dumps(document, ensure_ascii=False).encode())

    @cached_property
    def _page(self) -> Answer:
        page = files("eventflow.runtime.openapi").joinpath("page.html").read_bytes()
        return Answer(200, (_HTML, _POLICY), page)
