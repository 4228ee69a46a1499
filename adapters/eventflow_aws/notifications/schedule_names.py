"""What the schedules of functions are called in EventBridge."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from eventflow.model.subscriptions import ScheduleRule
    from eventflow_aws.names import Names

PREFIX: Final = "eventflow-"
DIGEST_LENGTH: Final = 8
NAME_LENGTH: Final = 64


def schedule_name(names: Names, rule: ScheduleRule) -> str:
    """The name under which a trigger's schedule or rule is provisioned: after its function, and after what it says,
    since a function may have several."""
    said = "\n".join((rule.expression, rule.timezone, rule.input or ""))
    digest = hashlib.sha256(said.encode()).hexdigest()[:DIGEST_LENGTH]
    function = re.sub(r"[^.A-Za-z0-9_-]", "-", names.plain(f"schedule:{rule.name}"))
    return f"{PREFIX}{function}"[: NAME_LENGTH - DIGEST_LENGTH - 1] + f"-{digest}"


def schedule_names(names: Names, rule: ScheduleRule) -> tuple[str, str]:
    """What the trigger's schedule or rule may be called: as it is provisioned, or as it is bound."""
    return schedule_name(names, rule), names.plain(f"schedule:{rule.name}")


def is_schedule_of(names: Names, rule: ScheduleRule, name: str) -> bool:
    """Whether a schedule or rule called ``name`` is the trigger's: as it was provisioned, or bound by name."""
    return name in schedule_names(names, rule)
