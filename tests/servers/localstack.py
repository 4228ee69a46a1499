"""LocalStack in host mode: SQS, SNS, S3, EventBridge, and a second opinion on event source mappings."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from tests.servers import kinesis
from tests.servers.process import Process, answers
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_npm, from_pypi

RELEASE: Final = "4.9.2"
VERSION: Final = f"{RELEASE} with kinesis-local {kinesis.VERSION}"
LAUNCH: Final = Path(__file__).with_name("localstack_launch.py")
CONSTRAINTS: Final = Path(__file__).with_name("localstack_constraints.txt")
"""What it was tried with: its own requirements name no versions, and newer ones do not start."""
SERVICES: Final = "events,kinesis,lambda,s3,sns,sqs,sts"
"""All that tests use, loaded at the start: one that its first request loads may answer too late, and be asked again."""


def install(directory: Path, /) -> None:
    from_pypi(directory, [f"localstack-core[runtime]=={RELEASE}", "service_identity"], constraints=CONSTRAINTS)
    libraries = _libraries(directory) / "kinesis-local" / kinesis.VERSION
    libraries.mkdir(parents=True)
    from_npm(libraries, f"kinesis-local@{kinesis.VERSION}")


def program(directory: Path, /) -> Path:
    return directory / "venv" / "bin" / "python"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    libraries = scratch / "usr" / "lib" / "localstack"
    if not libraries.exists():
        libraries.parent.mkdir(parents=True)
        libraries.symlink_to(_libraries(directory))
    environment = {
        "GATEWAY_LISTEN": f"{HOST}:{port}",
        "LOCALSTACK_HOST": f"{HOST}:{port}",
        "SQS_ENDPOINT_STRATEGY": "dynamic",
        "FILESYSTEM_ROOT": str(scratch),
        "OVERRIDE_IN_DOCKER": "0",
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "EAGER_SERVICE_LOADING": "1",
        "SERVICES": SERVICES,
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "KINESIS_MOCK_VERSION": kinesis.VERSION,
        "NODE_OPTIONS": f"--require {kinesis.LOOPBACK}",
    }
    # An orderly end would take seconds and keep nothing.
    command = [str(program(directory)), "-P", str(LAUNCH)]  # its own name is not this module
    process = Process("localstack", command, scratch=scratch, environment=environment, stop_signal=signal.SIGKILL)
    process.wait_until(lambda: answers(port, "/_localstack/health"))
    return Started(Server(name="localstack", port=port, endpoint_url=f"http://{HOST}:{port}"), process)


def _libraries(directory: Path) -> Path:
    return directory / "libraries"
