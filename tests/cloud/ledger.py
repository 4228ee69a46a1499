"""What an app of :mod:`tests.cloud.ledger_app` handled."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Ledger:
    """The file that every process of a deployment appends to."""

    path: Path

    def entries(self) -> list[dict[str, Any]]:
        """In the order they were written; the last line of a killed process may be half a line."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines() if line.endswith("}")]

    def missing(self, sent: Iterable[str]) -> set[str]:
        """What was accepted and is not handled."""
        return set(sent) - {entry["id"] for entry in self.entries()}

    def repeated(self) -> int:
        """How often something was handled again."""
        counts = Counter(entry["id"] for entry in self.entries())
        return counts.total() - len(counts)

    def disorder(self) -> list[str]:
        """Records that were handled first after a later one of their key."""
        highest: dict[str, int] = defaultdict(lambda: -1)
        seen: set[str] = set()
        late: list[str] = []
        for entry in self.entries():
            if entry["id"] in seen:
                continue
            seen.add(entry["id"])
            if entry["number"] < highest[entry["key"]]:
                late.append(entry["id"])
            highest[entry["key"]] = max(highest[entry["key"]], entry["number"])
        return late

    def last_process(self) -> int:
        """Who handled something last."""
        return int(self.entries()[-1]["pid"])

    def processes(self) -> set[int]:
        """Who handled anything."""
        return {entry["pid"] for entry in self.entries()}
