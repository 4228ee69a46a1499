"""What an adapter says of a key that it does not have.

The table of an environment is shared: its own keys are taken out before the adapter gets the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.model.suggestions import did_you_mean

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
    known = f"known: {', '.join(own)}"
    meant = did_you_mean(key, [*own, *ENVIRONMENT_KEYS])
    return f"{known}; {meant}" if meant else known
