"""What operators and their tools ask: is it alive, is it ready, what does it count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from eventflow.runtime.http.answers import METHOD_NOT_ALLOWED, TEXT, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow.runtime.exposition import Exposition
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.asgi import Scope
    from eventflow.runtime.metrics import Metrics

LIVE: Final = "/livez"
METRICS: Final = "/metrics"
PATHS: Final = (LIVE, "/readyz", "/healthz", METRICS)


class Admin:
    """Answers ``/livez``, ``/readyz`` and its other name ``/healthz``, and ``/metrics``.

    Live says that the process answers. Ready says that no part has a problem; ``?verbose`` lists those that do.
    """

    def __init__(self, metrics: Metrics, functions: Functions, readiness: Callable[[], Mapping[str, str]]) -> None:
        self._figures = metrics, functions
        self._readiness = readiness
        self._exposition: Exposition | None = None

    def answer(self, path: str, scope: Scope) -> Answer:
        """The page at one of :data:`PATHS`."""
        if scope["method"] not in ("GET", "HEAD"):
            return METHOD_NOT_ALLOWED
        if path == METRICS:
            return self._metrics(scope)
        if path == LIVE:
            return Answer(200, (TEXT,), b"ok\n")
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return self._ready(verbose="verbose" in query)

    def _ready(self, *, verbose: bool) -> Answer:
        problems = self._readiness()
        if not problems:
            return Answer(200, (TEXT,), b"ok\n")
        lines = [f"[-]{part}: {problem}" for part, problem in problems.items()] if verbose else []
        return Answer(503, (TEXT,), "\n".join([*lines, "not ready", ""]).encode())

    def _metrics(self, scope: Scope) -> Answer:
        if self._exposition is None:
            from eventflow.runtime.exposition import Exposition  # its library takes a while to load

            self._exposition = Exposition(*self._figures)
        accept = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")
        content_type, text = self._exposition.render(accept)
        return Answer(200, ((b"content-type", content_type.encode()),), text)
