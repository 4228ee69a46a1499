"""Which parts of a run work: what ``/readyz`` tells."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

_log = logging.getLogger(__name__)

Report: TypeAlias = Callable[[str, str | None], None]
"""Told the name of a part and what is wrong with it now, ``None`` when nothing is."""


class Readiness:
    """The problems of a run, by part. A change is logged once."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}

    def report(self, part: str, problem: str | None) -> None:
        """``part`` has ``problem`` now; ``None`` when it works."""
        known = self._problems.get(part)
        if problem is None:
            if known is not None:
                del self._problems[part]
                _log.info("%s works again", part)
        elif known != problem:
            self._problems[part] = problem
            _log.warning("%s: %s", part, problem)

    @property
    def problems(self) -> Mapping[str, str]:
        """Problem by part; empty when everything works."""
        return MappingProxyType(self._problems)
