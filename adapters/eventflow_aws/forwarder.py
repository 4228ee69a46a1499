"""A function to deploy into AWS Lambda: it hands its events to a function that eventflow runs, and the answer back.

For callers that only call functions in Lambda: Cognito, Lex, Connect, AppSync ... `eventflow export forwarder` prints
this file. It needs nothing but what Lambda's Python runtimes bring; its handler is `forwarder.handler`. Variables:

EVENTFLOW_ENDPOINT_URL          where `eventflow serve` is reached: https://shop.example.com
EVENTFLOW_FUNCTION_NAME         the function to invoke there; or a JSON object of such names by the name of the Lambda
                                function. Without it, the function of the same name
EVENTFLOW_ACCESS_KEY_ID, EVENTFLOW_SECRET_ACCESS_KEY, EVENTFLOW_SESSION_TOKEN
                                what it signs with: an access key of eventflow's environment
EVENTFLOW_SECRET_ID             or a secret of Secrets Manager with `access_key_id`, `secret_access_key` and, where
                                there is one, `session_token`. Without either, it signs as its role, which AWS can
                                verify (API Gateway with IAM authorization, before eventflow), and eventflow cannot
EVENTFLOW_SIGNING_REGION        the Region of eventflow's environment; by default the function's own
EVENTFLOW_SIGNING_SERVICE       lambda; execute-api for API Gateway
EVENTFLOW_INVOCATION_TYPE       RequestResponse or Event; by default Event for events whose sender does not wait
EVENTFLOW_SOURCE_ARN, EVENTFLOW_SOURCE_ACCOUNT
                                for whom it calls, if its access key acts as a service
AWS_CA_BUNDLE                   certificates to trust instead of the system's
"""

from __future__ import annotations

import base64
import json
import logging
import os
import ssl
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlsplit

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.credentials import ReadOnlyCredentials

_log = logging.getLogger(__name__)

REQUEST_RESPONSE: Final = "RequestResponse"
EVENT: Final = "Event"
MAXIMUM_BYTES: Final = {REQUEST_RESPONSE: 6 * 1024 * 1024, EVENT: 1024 * 1024}
"""Of an event, by invocation type. Source: Lambda guide: Lambda quotas."""
MAXIMUM_ANSWER_BYTES: Final = 6_291_556
LAST_WORDS_SECONDS: Final = 0.3
"""What is kept of the time that is left, to say that there was no answer."""
IDLE_SECONDS: Final = 30
"""A connection that was idle longer is not used again: meanwhile this process may have been frozen, and the connection
lost without a sign."""
REFUSED: Final = 403

_ASYNCHRONOUS_RECORDS: Final = ("aws:s3", "aws:sns", "aws:codecommit")
_ASYNCHRONOUS_KEYS: Final = (
    {"detail-type", "source", "detail"},
    {"RequestType", "ResponseURL", "StackId"},
    {"awslogs"},
    {"CodePipeline.job"},
    {"invokingEvent", "resultToken"},
    {"alarmData", "alarmArn"},
)
"""What only events have whose sender does not wait: EventBridge's, CloudFormation's, those of CloudWatch Logs,
CodePipeline, Config and CloudWatch alarms."""


class ForwarderConfigurationError(Exception):
    """A variable of this function is missing or wrong."""


class EndpointError(Exception):
    """The endpoint did not invoke the function, or its answer is none."""


class EndpointTimeoutError(EndpointError):
    """There was no answer in the time that was left."""


class FunctionError(Exception):
    """The function failed. What is raised is a subclass that is called as the function's own error is."""


class LambdaContext(Protocol):
    """What Lambda tells of an invocation."""

    function_name: str
    client_context: Any

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: Any, context: LambdaContext) -> Any:
    """What the function answers. Raises its error, under its own name; EndpointError if there was no answer."""
    return _forwarder().forward(event, context)


@cache
def _forwarder() -> Forwarder:
    return Forwarder(Settings.read(os.environ))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the variables say."""

    endpoint_url: str
    function_names: str | Mapping[str, str] | None = None
    key: Credentials | None = None
    secret_id: str | None = None
    region: str
    service: str = "lambda"
    invocation_type: str | None = None
    source: Mapping[str, str]
    ca_bundle: str | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Settings:
        """Raises ForwarderConfigurationError."""
        invocation_type = variables.get("EVENTFLOW_INVOCATION_TYPE") or None
        if invocation_type not in (None, *MAXIMUM_BYTES):
            raise ForwarderConfigurationError(
                f"EVENTFLOW_INVOCATION_TYPE is {invocation_type!r}, not {' or '.join(MAXIMUM_BYTES)}"
            )
        stated = {"X-Amz-Source-Arn": "EVENTFLOW_SOURCE_ARN", "X-Amz-Source-Account": "EVENTFLOW_SOURCE_ACCOUNT"}
        return cls(
            endpoint_url=_endpoint_url(variables.get("EVENTFLOW_ENDPOINT_URL", "")),
            function_names=_function_names(variables.get("EVENTFLOW_FUNCTION_NAME", "")),
            key=_key(variables),
            secret_id=variables.get("EVENTFLOW_SECRET_ID") or None,
            region=variables.get("EVENTFLOW_SIGNING_REGION") or variables.get("AWS_REGION") or "us-east-1",
            service=variables.get("EVENTFLOW_SIGNING_SERVICE") or "lambda",
            invocation_type=invocation_type,
            source={header: variables[name] for header, name in stated.items() if variables.get(name)},
            ca_bundle=variables.get("AWS_CA_BUNDLE") or None,
        )


def _endpoint_url(url: str) -> str:
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or parts.scheme not in (("https", "http") if local else ("https",)):
        raise ForwarderConfigurationError(
            f"EVENTFLOW_ENDPOINT_URL is {url!r}: it has to be the https URL of a running eventflow"
        )
    return url.rstrip("/")


def _function_names(text: str) -> str | Mapping[str, str] | None:
    if not text.lstrip().startswith("{"):
        return text or None
    try:
        names = json.loads(text)
    except ValueError as exc:
        raise ForwarderConfigurationError(f"EVENTFLOW_FUNCTION_NAME is neither a name nor JSON: {exc}") from None
    if not all(isinstance(name, str) for name in names.values()):
        raise ForwarderConfigurationError("EVENTFLOW_FUNCTION_NAME has to map names to names")
    return dict(names)


def _key(variables: Mapping[str, str]) -> Credentials | None:
    key_id, secret = variables.get("EVENTFLOW_ACCESS_KEY_ID"), variables.get("EVENTFLOW_SECRET_ACCESS_KEY")
    if not key_id and not secret:
        return None
    if not key_id or not secret:
        raise ForwarderConfigurationError("EVENTFLOW_ACCESS_KEY_ID and EVENTFLOW_SECRET_ACCESS_KEY go together")
    return Credentials(key_id, secret, variables.get("EVENTFLOW_SESSION_TOKEN") or None)


class Forwarder:
    """Sends events to the endpoint, one at a time, as Lambda calls."""

    def __init__(self, settings: Settings, *, session: Session | None = None) -> None:
        self._settings = settings
        self._session = session or Session()
        self._from_secret: Credentials | None = None
        context = ssl.create_default_context(cafile=settings.ca_bundle)
        self._pool = urllib3.PoolManager(maxsize=1, ssl_context=context)
        self._used_at = time.time()

    def forward(self, event: Any, context: LambdaContext) -> Any:
        """Invoke the function with an event and return its answer, ``None`` for one that nobody waits for.

        Raises FunctionError, EndpointError, ForwarderConfigurationError.
        """
        ends_at = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - LAST_WORDS_SECONDS
        kind = self._settings.invocation_type or (EVENT if is_asynchronous(event) else REQUEST_RESPONSE)
        # A lone surrogate becomes the escape that it was.
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")
        if len(body) > MAXIMUM_BYTES[kind]:
            raise EndpointError(f"the event has {len(body)} bytes, and {kind} takes {MAXIMUM_BYTES[kind]} at most")
        headers = {"Content-Type": "application/json", "X-Amz-Invocation-Type": kind, **self._settings.source}
        if context.client_context is not None:
            headers["X-Amz-Client-Context"] = _client_context(context.client_context)
        url = f"{self._settings.endpoint_url}{self._path(context)}"
        answer = self._send(url, headers, body, ends_at)
        if answer.status == REFUSED and self._from_secret is not None:
            self._from_secret = None  # it may have been rotated, and what is refused has not run
            answer = self._send(url, headers, body, ends_at)
        return _result(answer)

    def _path(self, context: LambdaContext) -> str:
        names = self._settings.function_names
        name = names if isinstance(names, str) else (names or {}).get(context.function_name, context.function_name)
        return f"/2015-03-31/functions/{quote(name, safe='')}/invocations"

    def _send(self, url: str, headers: Mapping[str, str], body: bytes, ends_at: float) -> Answer:
        request = AWSRequest(method="POST", url=url, headers=headers, data=body)
        SigV4Auth(self._credentials(), self._settings.service, self._settings.region).add_auth(request)
        seconds = ends_at - time.monotonic()
        if seconds <= 0:
            raise EndpointTimeoutError("there is no time left to wait for an answer")
        self._forget_idle_connections()
        try:
            response = self._pool.request(
                "POST",
                url,
                body=body,
                headers=dict(request.headers.items()),
                timeout=urllib3.Timeout(total=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = response.read(MAXIMUM_ANSWER_BYTES + 1)
        except urllib3.exceptions.HTTPError as exc:
            # A refused connection is a kind of timeout to urllib3.
            late = isinstance(exc, urllib3.exceptions.TimeoutError)
            if late and not isinstance(exc, urllib3.exceptions.NewConnectionError):
                raise EndpointTimeoutError(f"no answer within {seconds:.1f} s") from exc
            raise EndpointError(f"the endpoint cannot be reached: {exc}") from exc
        if len(content) > MAXIMUM_ANSWER_BYTES:
            response.close()
            raise EndpointError(f"the answer exceeds {MAXIMUM_ANSWER_BYTES} bytes")
        response.release_conn()
        return Answer(response.status, response.headers, content)

    def _credentials(self) -> Credentials | ReadOnlyCredentials:
        if self._settings.key is not None:
            return self._settings.key
        if self._settings.secret_id is not None:
            if self._from_secret is None:
                self._from_secret = self._read_secret(self._settings.secret_id)
            return self._from_secret
        found = self._session.get_credentials()
        if found is None:
            raise ForwarderConfigurationError("there is nothing to sign with: set EVENTFLOW_ACCESS_KEY_ID")
        return found.get_frozen_credentials()

    def _read_secret(self, secret_id: str) -> Credentials:
        client: Any = self._session.create_client("secretsmanager")
        try:
            secret = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
            return Credentials(secret["access_key_id"], secret["secret_access_key"], secret.get("session_token"))
        except (KeyError, TypeError, ValueError):
            message = f"the secret {secret_id!r} is no JSON object with access_key_id and secret_access_key"
            raise ForwarderConfigurationError(message) from None

    def _forget_idle_connections(self) -> None:
        now = time.time()
        if now - self._used_at > IDLE_SECONDS:
            self._pool.clear()
        self._used_at = now


@dataclass(frozen=True)
class Answer:
    """What the endpoint answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def is_asynchronous(event: Any) -> bool:
    """Whether an event's sender does not wait for an answer. In doubt it does: then nothing is lost but time."""
    if not isinstance(event, dict):
        return False
    if str(event.get("triggerSource", "")).startswith(("CustomEmailSender_", "CustomSMSSender_")):
        return True
    records = event.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    if isinstance(first, dict):
        return (first.get("eventSource") or first.get("EventSource")) in _ASYNCHRONOUS_RECORDS
    return any(keys <= event.keys() for keys in _ASYNCHRONOUS_KEYS)


def _client_context(context: Any) -> str:
    """As it came in: base64 of JSON."""
    client = getattr(context, "client", None)
    wire = {
        "custom": getattr(context, "custom", None) or {},
        "env": getattr(context, "env", None) or {},
        "client": None if client is None else {name: getattr(client, name, None) for name in _CLIENT_FIELDS},
    }
    return base64.b64encode(json.dumps(wire).encode()).decode()


_CLIENT_FIELDS: Final = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


def _result(answer: Answer) -> Any:
    if answer.status not in (200, 202):
        raise _refusal(answer)
    if not answer.content:
        return None
    try:
        value = json.loads(answer.content)
    except ValueError:
        raise EndpointError("the answer is not JSON") from None
    if "X-Amz-Function-Error" in answer.headers:
        raise _function_error(value)
    return value


def _refusal(answer: Answer) -> EndpointError:
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    try:
        body = json.loads(answer.content)
        text = body.get("message") or body.get("Message") or ""
    except (ValueError, AttributeError):
        text = ""
    return EndpointError(" ".join(filter(None, (str(answer.status), code and f"{code}:", str(text)))))


def _function_error(payload: Any) -> FunctionError:
    """The function's error: Lambda reports the name of a class as ``errorType``."""
    told = payload if isinstance(payload, dict) else {}
    name = str(told.get("errorType") or "Error").replace("\0", "")
    if told.get("stackTrace"):
        _log.error("%s in the function:\n%s", name, "".join(map(str, told["stackTrace"])))
    kind: type[FunctionError] = type(name, (FunctionError,), {"__module__": __name__})
    return kind(told.get("errorMessage", ""))
