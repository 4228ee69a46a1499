"""Lambda's numbers, in bytes and seconds. Source: Lambda guide: Lambda quotas; API reference."""

from __future__ import annotations

from typing import Final

MEBIBYTE: Final = 1024 * 1024

SYNCHRONOUS_REQUEST_BYTES: Final = 6 * MEBIBYTE
SYNCHRONOUS_RESPONSE_BYTES: Final = 6_291_556
"""Nominally 6 MB; this is the figure in the error text of the real service."""
ASYNCHRONOUS_REQUEST_BYTES: Final = MEBIBYTE
BATCH_BYTES: Final = 6 * MEBIBYTE
"""A batch of an event source mapping, record metadata included."""
STREAMED_RESPONSE_BYTES: Final = 200 * MEBIBYTE
WINDOW_STATE_BYTES: Final = MEBIBYTE
CLIENT_CONTEXT_BYTES: Final = 3_583
LOG_TAIL_BYTES: Final = 4 * 1024
DEAD_LETTER_MESSAGE_BYTES: Final = 1024
HTTP_BODY_BYTES: Final = 10 * MEBIBYTE
PUSHED_BODY_BYTES: Final = 2 * MEBIBYTE
"""A request that brings an event: its largest message (SNS's) with every character escaped is smaller."""
HTTP_HEADER_BYTES: Final = 10_240
"""Request line and header block of an HTTP API request. Source: API Gateway guide: quotas."""
HTTP_INTEGRATION_SECONDS: Final = 30.0
REST_INTEGRATION_SECONDS: Final = 29.0
ALB_REQUEST_BYTES: Final = MEBIBYTE
ALB_RESPONSE_BYTES: Final = MEBIBYTE
ALB_HEADER_BYTES: Final = 65_536
WEBSOCKET_MESSAGE_BYTES: Final = 128 * 1024
WEBSOCKET_FRAME_BYTES: Final = 32 * 1024
WEBSOCKET_URL_CHARACTERS: Final = 4_096
WEBSOCKET_INTEGRATION_SECONDS: Final = 29.0
WEBSOCKET_IDLE_SECONDS: Final = 600.0
WEBSOCKET_CONNECTION_SECONDS: Final = 7_200.0
SQS_MESSAGE_BYTES: Final = MEBIBYTE
SNS_MESSAGE_BYTES: Final = 262_144
EVENTBRIDGE_ENTRY_BYTES: Final = MEBIBYTE
KINESIS_RECORD_BYTES: Final = 10 * MEBIBYTE

DEFAULT_TIMEOUT_SECONDS: Final = 3
MAXIMUM_TIMEOUT_SECONDS: Final = 900
MAXIMUM_BROKER_TIMEOUT_SECONDS: Final = 840
"""Of functions that read from Kafka, a message queue or DocumentDB. Source: Lambda guide: with-kafka, with-mq."""
DEFAULT_MEMORY_MB: Final = 128
DEFAULT_CONCURRENCY: Final = 1_000
MINIMUM_UNRESERVED_CONCURRENCY: Final = 100
DEFAULT_EVENT_AGE_SECONDS: Final = 21_600
DEFAULT_RETRY_ATTEMPTS: Final = 2
