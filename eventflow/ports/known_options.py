"""What an adapter says of a key that it does not have.

The table of an environment is shared: its own keys are taken out before the adapter gets the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

ENVIRONMENT_KEYS: Final = (
    "adapter",
    "event_queue",
    "concurrency",
    "region",
    "account_id",
    "custom_resource_response_hosts",
    "sources",
    "resources",
    "cors",
    "cloudfront",
    "docs",
    "access_keys",
    "permissions",
)
"""What every environment may say, whatever its adapter."""


def known_options(key: str, own: Collection[str]) -> str:
    """The hint to ``key``: the adapter's ``own`` options, and which of them or of the environment's was meant."""
    from difflib import get_close_matches  # only mistakes need it

    close = get_close_matches(key, [*own, *ENVIRONMENT_KEYS], n=1)
    return f"known: {', '.join(own)}" + (f"; did you mean {close[0]}?" if close else "")
