"""What everything that provisions shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventflow_aws.arns import Arns
    from eventflow_aws.environment import Environment


class Provisioning(NamedTuple):
    """One run of provisioning."""

    env: Environment
    arns: Arns
    account_id: str
    dry_run: bool
