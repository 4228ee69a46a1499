"""AWS's own runtime of Python functions, under AWS's emulator of what Lambda does around it."""

from __future__ import annotations

import http.client
import json
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.servers.process import Process, kept_ports
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_go, from_pypi

RUNTIME: Final = "4.2.2"
EMULATOR: Final = "v0.0.0-20261030222936-bef5c4ba774d"
VERSION: Final = (
    f"awslambdaric {RUNTIME}, emulator {EMULATOR[-12:]}, Python {sys.version_info[0]}.{sys.version_info[1]}"
)
CONSTRAINTS: Final = Path(__file__).with_name("lambda_runtime_constraints.txt")
ROOT: Final = Path(__file__).resolve().parents[2]
FUNCTION_ARN: Final = "arn:aws:lambda:us-east-1:012345678912:function:"
"""The emulator's."""

_INVOKE: Final = "/2015-03-31/functions/function/invocations"


def install(directory: Path, /) -> None:
    from_pypi(directory, [f"awslambdaric=={RUNTIME}"], constraints=CONSTRAINTS)
    from_go(directory, "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie", EMULATOR)


def program(directory: Path, /) -> Path:
    return directory / "bin" / "aws-lambda-rie"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    server, process = start_function(
        directory, scratch, {"EVENTFLOW_APP": str(ROOT / "examples" / "shop.py")}, port=port
    )
    process.wait_until(lambda: invoke(server, {"actor": "tests"}) == {"audited": "tests"})
    return Started(server, process)


def start_function(directory: Path, scratch: Path, variables: Mapping[str, str], /, *, port: int) -> Started:
    """Start a Lambda function with these environment variables. Its runtime starts with the first invocation."""
    libraries = [str(ROOT), sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]]
    environment = {
        "PYTHONPATH": ":".join(dict.fromkeys(libraries)),
        "AWS_LAMBDA_FUNCTION_NAME": "shop",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_REGION": "us-east-1",
        **variables,
    }
    command: list[str | Path] = [
        program(directory),
        "--runtime-interface-emulator-address",
        f"{HOST}:{port}",
        "--runtime-api-address",
        f"{HOST}:{kept_ports(scratch, 'runtime')['runtime']}",
        directory / "venv" / "bin" / "python",
        "-m",
        "awslambdaric",
        "eventflow.aws_lambda.handler",
    ]
    process = Process("lambda", command, scratch=scratch, environment=environment)
    server = Server(name="lambda", port=port, endpoint_url=f"http://{HOST}:{port}")
    process.wait_until(lambda: listens(server))
    return Started(server, process)


def listens(server: Server) -> bool:
    """Whether the emulator listens."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 404
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def invoke(server: Server, event: Any) -> Any:
    """Invoke the function; returns its answer, decoded."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=180)
    try:
        connection.request("POST", _INVOKE, body=json.dumps(event))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
