"""Ends a server whose tests are gone: ``guard.py PROCESS_GROUP SCRATCH_DIRECTORY``.

Its standard input is a pipe from the tests' process, which never writes to it: reading returns when that process is
gone, however it ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress

sys.stdin.read()
with suppress(ProcessLookupError):
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
shutil.rmtree(sys.argv[2], ignore_errors=True)
