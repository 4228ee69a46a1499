"""LocalStack on loopback, its Lambda without containers. Runs in LocalStack's own virtual environment.

A function is "run" by posting its event to the URL in its environment variable ``LOCAL_URL``: the body of the answer is
the function's result, and a status of 400 or more makes it a function error. The header ``X-Request-Id`` has the
invocation's id.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import urllib.error
import urllib.request
from functools import partial

from localstack.runtime import main
from localstack.services.lambda_.invocation import runtime_executor
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from twisted.internet import endpoints


class HttpExecutor(runtime_executor.RuntimeExecutor):
    """An execution environment that is somebody else's HTTP server."""

    def start(self, env_vars: dict[str, str]) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return "http://127.0.0.1"

    def get_logs(self) -> str:
        return ""

    @classmethod
    def prepare_version(cls, function_version: object) -> None:
        """Nothing to prepare."""

    @classmethod
    def cleanup_version(cls, function_version: object) -> None:
        """Nothing to clean up."""

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        body, is_error = self._post(payload["invoke-id"], payload["payload"])
        return InvocationResult(request_id=payload["invoke-id"], payload=body, is_error=is_error, logs="")

    def _post(self, request_id: str, event: str) -> tuple[bytes, bool]:
        configuration = self.function_version.config
        request = urllib.request.Request(
            configuration.environment["LOCAL_URL"],
            data=event.encode(),
            headers={"Content-Type": "application/json", "X-Request-Id": request_id},
        )
        try:
            with urllib.request.urlopen(request, timeout=configuration.timeout) as response:
                return response.read(), False
        except urllib.error.HTTPError as error:
            return _function_error("FunctionError", error.read().decode()), True
        except OSError as error:
            return _function_error(type(error).__name__, str(error)), True


class OnlyExecutor:
    """Stands where LocalStack looks for executors."""

    def exists(self, name: str) -> bool:
        return True

    def load(self, name: str | None = None) -> OnlyExecutor | type[HttpExecutor]:
        """The plug-in of that name, and then, without a name, what it holds."""
        return self if name else HttpExecutor


def _function_error(kind: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": kind}).encode()


# LocalStack listens on every interface, whichever one it is told to listen on.
endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")
runtime_executor.EXECUTOR_PLUGIN_MANAGER = OnlyExecutor()
main.main()
