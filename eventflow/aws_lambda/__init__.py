"""The entry point inside AWS Lambda: ``Handler: eventflow.aws_lambda.handler``.

``EVENTFLOW_APP`` names the app as ``eventflow serve`` does; ``EVENTFLOW_FUNCTION`` names one function of it, or the
event itself tells which one is meant. ``LambdaHandler`` is for a handler of one's own in code::

    handler = LambdaHandler(App([shop]).freeze())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventflow.aws_lambda.bootstrap import LambdaHandler as LambdaHandler

    handler: LambdaHandler

__all__ = ["LambdaHandler", "handler"]


if not TYPE_CHECKING:  # a type checker that saw it would take any name for granted

    def __getattr__(name: str) -> object:
        """``handler`` is made when it is asked for: by Lambda in its init phase, which then tells of every mistake in
        the configuration; and by nobody who only imports this package."""
        if name == "LambdaHandler":
            from eventflow.aws_lambda.bootstrap import LambdaHandler as value
        elif name == "handler":
            from eventflow.aws_lambda.configuration import configured_handler

            value = configured_handler()
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value
