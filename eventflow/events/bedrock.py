"""Action groups of Bedrock agents. Source: Bedrock guide: agents-lambda."""

from __future__ import annotations

from typing import Any

from eventflow.events._camel import CamelModel


class BedrockAgent(CamelModel):
    name: str | None = None
    id: str | None = None
    alias: str | None = None
    version: str | None = None


class BedrockParameter(CamelModel):
    """``value`` is text, whatever the ``type``."""

    name: str
    type: str | None = None
    value: str | None = None


class BedrockAgentEvent(CamelModel):
    """An agent calls an action: by ``api_path`` and ``http_method``, or by ``function``."""

    message_version: str
    agent: BedrockAgent
    input_text: str | None = None
    session_id: str | None = None
    action_group: str
    api_path: str | None = None
    http_method: str | None = None
    function: str | None = None
    parameters: list[BedrockParameter] | None = None
    request_body: dict[str, Any] | None = None
    session_attributes: dict[str, str] | None = None
    prompt_session_attributes: dict[str, str] | None = None
