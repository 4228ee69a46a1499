"""Starts a server, says where it is, and waits to be killed: ``python -m tests.unit.servers.orphaned NAME``."""

from __future__ import annotations

import signal
import sys

from tests.servers.running import running

with running(sys.argv[1]) as server:
    sys.stdout.write(f"{server.port}\n{server.process.log.parent}\n")
    sys.stdout.flush()
    signal.pause()
