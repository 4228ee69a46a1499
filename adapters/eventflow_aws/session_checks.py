"""What is wrong with AWS's own configuration on this machine: known from files and variables, asking nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiobotocore.session import AioSession
from botocore.exceptions import ConfigParseError, InvalidRegionError, ProfileNotFound
from botocore.utils import validate_region_name

from eventflow.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.ports import AdapterSettings
    from eventflow_aws.options import AwsOptions


def session_problems(settings: AdapterSettings, options: AwsOptions) -> Iterator[Problem]:
    """The profile and the region, wherever they are named."""
    table = f"[environments.{settings.environment}]"
    session = AioSession(profile=options.profile)
    try:
        session.get_scoped_config()
    except ProfileNotFound as exc:
        known = ", ".join(sorted(session.available_profiles)) or "none"
        yield Problem(
            where="environment variable AWS_PROFILE" if options.profile is None else table,
            field=None if options.profile is None else "profile",
            message=f"there is no profile {exc.kwargs['profile']!r}",
            hint=f"known: {known}; `aws configure --profile {exc.kwargs['profile']}` makes it",
        )
        return
    except ConfigParseError as exc:
        yield Problem(
            where=str(exc.kwargs["path"]), message="cannot be parsed", hint="it has sections and `key = value`"
        )
        return
    region = settings.region if not settings.region_is_default else session.get_config_variable("region")
    try:
        validate_region_name(region)
    except InvalidRegionError:
        yield Problem(where=table, field="region", message=f"{region!r} is not a region", hint="e.g. eu-west-1")
