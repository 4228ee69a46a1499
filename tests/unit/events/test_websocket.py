"""What is beside the wire in events of WebSocket APIs."""

from __future__ import annotations

import pytest

from eventflow.events import WebSocketResponse
from eventflow.testing.events import websocket_authorizer_event, websocket_event


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("abc.execute-api.eu-west-1.amazonaws.com", "https://abc.execute-api.eu-west-1.amazonaws.com/prod"),
        ("chat.example.com", "https://chat.example.com/prod"),
        ("localhost:8000", "http://localhost:8000/prod"),
        ("chat.localhost", "http://chat.localhost/prod"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/prod"),
        ("[::1]:8000", "http://[::1]:8000/prod"),
        ("192.0.2.1:8000", "https://192.0.2.1:8000/prod"),
    ],
)
def test_messages_go_to_where_the_connection_was_made(host: str, endpoint: str) -> None:
    assert websocket_event("$connect", headers={"host": host}).management_endpoint == endpoint


def test_a_message_and_an_end_say_what_they_are() -> None:
    message = websocket_event("say", {"text": "hi"})
    assert (message.route_key, message.json(), message.request_context.event_type) == ("say", {"text": "hi"}, "MESSAGE")
    binary = websocket_event(body=b"\xff")
    assert (binary.is_base64_encoded, binary.body_bytes) == (True, b"\xff")
    end = websocket_event("$disconnect", disconnect_status_code=1001, disconnect_reason="Going away")
    context = end.request_context
    assert (context.event_type, context.disconnect_status_code, end.source_ip) == ("DISCONNECT", 1001, "192.0.2.1")
    asked = websocket_authorizer_event(query={"room": ["1", "2"]})
    assert asked.query == {"room": ["1", "2"]}
    assert asked.header("sec-websocket-version") == "13"


def test_a_response_says_what_was_set() -> None:
    assert WebSocketResponse().to_wire() == {}
    wire = {"statusCode": 403, "body": "no", "headers": {"x": "1"}, "isBase64Encoded": False}
    assert WebSocketResponse.model_validate(wire).to_wire() == wire
