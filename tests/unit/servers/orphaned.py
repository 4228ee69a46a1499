"""Starts a server, says where it is, and waits to be killed: ``python -m tests.unit.servers.orphaned NAME``."""

from __future__ import annotations

import signal
import sys

from tests.servers.running import PrivateServer

private = PrivateServer(sys.argv[1])
sys.stdout.write(f"{private.server.port}\n{private.process.log.parent}\n")
sys.stdout.flush()
signal.pause()
