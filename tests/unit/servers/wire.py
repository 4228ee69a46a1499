"""Conversations with brokers, byte by byte, for those whose client no test needs yet."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair
from typing import Final

CONNECTION: Final = 10
"""AMQP's class of methods about a connection."""
START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK = 11, 30, 31, 40, 41
OP_MSG: Final = 2013


def open_amqp(port: int, *, user: str, password: str, virtual_host: str) -> None:
    """Log in to RabbitMQ and open a virtual host. It hangs up on who may not."""
    with connected(port) as stream:
        say(stream, b"AMQP\x00\x00\x09\x01")
        read_method(stream)
        response = f"\0{user}\0{password}".encode()
        login = [bytes(4), short_string("PLAIN"), struct.pack(">I", len(response)), response, short_string("en_US")]
        write_method(stream, START_OK, b"".join(login))
        assert read_method(stream) == TUNE
        write_method(stream, TUNE_OK, struct.pack(">HIH", 2047, 131_072, 0))
        write_method(stream, OPEN, short_string(virtual_host) + short_string("") + b"\0")
        assert read_method(stream) == OPEN_OK


def write_method(stream: BufferedRWPair, method: int, arguments: bytes) -> None:
    payload = struct.pack(">HH", CONNECTION, method) + arguments
    say(stream, struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")


def read_method(stream: BufferedRWPair) -> int:
    _, _, size = struct.unpack(">BHI", stream.read(7))
    method: int = struct.unpack(">HH", stream.read(size + 1)[:4])[1]
    return method


def short_string(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def send_and_receive_stomp(port: int, *, user: str, password: str) -> str:
    """The body of a message that went through a queue."""
    with connected(port) as stream:
        say(stream, f"CONNECT\naccept-version:1.2\nhost:any\nlogin:{user}\npasscode:{password}\n\n\0".encode())
        assert read_frame(stream).startswith("CONNECTED\n")
        say(stream, b"SUBSCRIBE\nid:0\ndestination:/queue/orders\n\n\0SEND\ndestination:/queue/orders\n\none\0")
        message = read_frame(stream)
    assert message.startswith("MESSAGE\n")
    return message.partition("\n\n")[2]


def read_frame(stream: BufferedRWPair) -> str:
    """Without the line ends between frames."""
    characters = iter(lambda: stream.read(1), b"\0")
    return b"".join(characters).decode().lstrip("\n")


def ask_mongodb(port: int, command: str) -> bytes:
    """The answer to a command of the database ``admin``, as BSON."""
    elements = b"\x10" + command.encode() + b"\0" + struct.pack("<i", 1)
    elements += b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    body = bytes(5) + struct.pack("<i", len(elements) + 5) + elements + b"\0"
    with connected(port) as stream:
        say(stream, struct.pack("<iiii", len(body) + 16, 1, 0, OP_MSG) + body)
        size, _, _, _ = struct.unpack("<iiii", stream.read(16))
        return stream.read(size - 16)


@contextmanager
def connected(port: int) -> Iterator[BufferedRWPair]:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as connection,
        connection.makefile("rwb") as stream,
    ):
        yield stream


def say(stream: BufferedRWPair, data: bytes) -> None:
    stream.write(data)
    stream.flush()
