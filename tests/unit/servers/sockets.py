"""A process's descendants and what they listen on, as Linux tells."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"


def is_running(pid: int) -> bool:
    return (PROC / str(pid)).exists()


def listening_addresses(pid: int) -> set[str]:
    """The IP addresses of every listening TCP socket of a process and its descendants."""
    inodes = {inode for process in with_descendants(pid) for inode in _socket_inodes(process)}
    return {address for inode, address in _listening_sockets() if inode in inodes}


def with_descendants(pid: int) -> set[int]:
    """A process, its children, their children and so on."""
    family = {pid}
    parents = dict(_parents())
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _parents() -> Iterator[tuple[int, int]]:
    for entry in PROC.glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            after_name = (entry / "stat").read_text().rpartition(")")[2]
            yield int(entry.name), int(after_name.split()[1])


def _socket_inodes(pid: int) -> Iterator[str]:
    for descriptor in (PROC / str(pid) / "fd").glob("*"):
        with suppress(FileNotFoundError):
            if match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                yield match[1]


def _listening_sockets() -> Iterator[tuple[str, str]]:
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                yield fields[9], _address(fields[1].partition(":")[0])


def _address(digits: str) -> str:
    """``/proc`` writes each word of an address with its lowest byte first."""
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    address = ip_address(b"".join(words))
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
