"""A chat over WebSockets: everybody hears what anybody says.

    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 eventflow serve examples/chat.py
    python -m websockets 'ws://127.0.0.1:8000/local?name=ada'
    > {"action": "say", "text": "hello"}

boto3 wants credentials, whatever they are; in AWS it finds the function's own.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import boto3
from pydantic import BaseModel

from eventflow import App, WebSocketApi, WebSocketAuthorizerEvent, WebSocketEvent, on_websocket, websocket_authorizer

NAMES: dict[str, str] = {}
"""Who is connected, by connection id. Where several processes serve, this is a table."""


class Words(BaseModel):
    """A message of the route ``say``."""

    text: str


@cache
def management(endpoint: str) -> Any:
    """What sends to connections, here and in AWS."""
    return boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)


def tell_everybody(event: WebSocketEvent, message: dict[str, str]) -> None:
    client = management(event.management_endpoint)
    for connection_id in list(NAMES):
        try:
            client.post_to_connection(ConnectionId=connection_id, Data=json.dumps(message).encode())
        except client.exceptions.GoneException:
            NAMES.pop(connection_id, None)


@websocket_authorizer(identity_sources=["route.request.querystring.name"])
def introduced(event: WebSocketAuthorizerEvent) -> dict[str, Any]:
    """Whoever says a name may come in."""
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event.method_arn}
    name = event.query_string_parameters["name"]
    return {"principalId": name, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


@on_websocket("$connect", authorizer=introduced)
def join(event: WebSocketEvent) -> dict[str, Any]:
    """Refuses a name that is taken."""
    name = (event.request_context.authorizer or {})["principalId"]
    if name in NAMES.values():
        return {"statusCode": 409, "body": f"{name} is here already"}
    NAMES[event.connection_id] = name
    return {"statusCode": 200}


@on_websocket("say")
def say(words: Words, event: WebSocketEvent) -> dict[str, Any]:
    tell_everybody(event, {"from": NAMES[event.connection_id], "text": words.text})
    return {"statusCode": 200}


@on_websocket("who", route_response=True)
def who() -> dict[str, Any]:
    """Answers its sender alone."""
    return {"statusCode": 200, "body": json.dumps(sorted(NAMES.values()))}


@on_websocket("bye")
def bye(event: WebSocketEvent) -> dict[str, Any]:
    management(event.management_endpoint).delete_connection(ConnectionId=event.connection_id)
    return {"statusCode": 200}


@on_websocket("$disconnect")
def leave(event: WebSocketEvent) -> None:
    name = NAMES.pop(event.connection_id)
    tell_everybody(event, {"left": name})


app = App([join, say, who, bye, leave], name="chat", websocket_api=WebSocketApi(stage="local"))
