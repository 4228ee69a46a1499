"""From environment variables to a handler, in Lambda's init phase."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventflow.aws_lambda.bootstrap import LambdaHandler
from eventflow.errors import ConfigurationError, Problem
from eventflow.plan.environment import load_environment
from eventflow.run.targets import load_app

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE: Final = ("1", "true", "yes", "on")


def configured_handler(variables: Mapping[str, str] = os.environ) -> LambdaHandler:
    """The handler of the app that the function's environment variables name, its lifespan entered.

    Under SnapStart the lifespan is left for the first event: a connection that is part of a snapshot is dead.
    Raises ConfigurationError with every mistake of the app, as ``eventflow serve`` does; whatever the lifespan raises.
    """
    target = variables.get("EVENTFLOW_APP")
    if not target:
        hint = "name the app as for `eventflow serve`: shop, shop:app"
        raise ConfigurationError([Problem(where="EVENTFLOW_APP", message="is not set", hint=hint)])
    directory = Path(variables.get("EVENTFLOW_APP_DIR") or variables.get("LAMBDA_TASK_ROOT") or ".")
    factory = variables.get("EVENTFLOW_FACTORY", "").lower() in _TRUE
    app = load_app(target, app_dir=directory, factory=factory)
    plan = app.freeze(load_environment(directory=directory, variables=variables))
    handler = LambdaHandler(plan, function_name=variables.get("EVENTFLOW_FUNCTION") or None)
    if variables.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        handler.start()
    handler.stop_at_sigterm()
    return handler
