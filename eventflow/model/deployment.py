"""An app as functions of AWS Lambda: what a template of them is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eventflow.model.websocket import WebSocketApi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.cors import Cors
    from eventflow.model.function import FunctionDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The functions of an app, each to be a Lambda function of its own.

    ``handler`` and ``variables`` are the same for all of them; ``function_variable`` tells each its name. ``code`` is a
    directory, or ``None`` for code that is uploaded beforehand. With ``existing`` every resource is there already;
    otherwise those that the environment does not bind are made. ``cors`` is the HTTP API's. ``options`` are what the
    environment says of a service's own adapter (a cluster's address).
    """

    app_name: str
    functions: tuple[FunctionDefinition, ...]
    handler: str
    runtime: str
    variables: Mapping[str, str]
    function_variable: str
    code: str | None
    existing: bool = False
    cors: Cors | None = None
    websocket_api: WebSocketApi = field(default_factory=WebSocketApi)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)  # may hold secrets
