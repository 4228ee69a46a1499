"""What may have been meant by a name that nothing has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The question for the one of ``known`` that is nearly ``name``; None if there is none."""
    from difflib import get_close_matches  # only mistakes need it

    return ask_for(get_close_matches(name, list(known), n=1))


def ask_for(names: Sequence[str]) -> str | None:
    """The question whether one of these was meant; None if there are none."""
    return f"did you mean {' or '.join(names)}?" if names else None
