"""Printing helpers that every command shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "


def table(header: Sequence[str] | None, rows: Sequence[Sequence[str]], *, indent: int = 0) -> str:
    """Rows in aligned columns, under a header if there is one. A column with nothing in any row is left out."""
    lines = [*([header] if header else []), *rows]
    kept = [index for index in range(len(lines[0])) if any(row[index] for row in rows)] if lines else []
    widths = [max(len(line[index]) for line in lines) for index in kept]

    def text(cells: Sequence[str]) -> str:
        padded = (f"{cells[index]:{width}}" for index, width in zip(kept, widths, strict=True))
        return " " * indent + _GAP.join(padded).rstrip()

    return "\n".join([*([click.style(text(header), dim=True)] if header else []), *map(text, rows)])


def counted(number: int, noun: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
