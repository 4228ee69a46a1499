"""What a user is told who configured something wrong: at start, all at once, with the trigger and the mend."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import boto3
import pytest
from click.testing import CliRunner

from eventflow.cli.group import cli
from tests.cloud.gate import Refusal, gate_before, serving_http
from tests.cloud.serving import CREDENTIALS, ROOT, Deployment
from tests.servers.fixtures import installed
from tests.servers.process import free_port
from tests.servers.running import running
from tests.servers.server import Server

TARGET: Final = "tests.cloud.bad_input_app"
APP: Final = TARGET
SECRET: Final = "a-secret-that-nobody-may-read"
MISCONFIGURED: Final = 3
UNREACHABLE: Final = 4
TABLE: Final = {
    "adapter": '"aws"',
    "event_queue": '"sqs:shop-events"',
    "notification_queue": '"shop-{service}-{name}"',
    "lease_table": '"shop-leases"',
}
NO_PROFILES: Final = {"AWS_CONFIG_FILE": "no-such-file", "AWS_SHARED_CREDENTIALS_FILE": "no-such-file"}
DEAD: Final = f"http://127.0.0.1:{free_port()}"
SERVE: Final = ("serve", TARGET, "--app-dir", str(ROOT), "--env", "shop", "--port", "0")
PROCESSES: Final = 6
"""At a time. They wait most of it."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One mistake in an environment in which everything else is right, and what ``eventflow serve`` says of it."""

    table: Mapping[str, str | None] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[tuple[str, ...], Refusal] = field(default_factory=dict)
    exit_code: int = MISCONFIGURED
    says: tuple[str, ...]
    problems: int = 1

    @property
    def waits(self) -> bool:
        """Whether it takes time until the network has answered, or has not."""
        return not {DEAD, "{silent}"}.isdisjoint(self.variables.values())

    def in_full(self, endpoint_url: str, urls: Mapping[str, str]) -> dict[str, str]:
        """The variables, beside the credentials."""
        own = {name: value.format(**urls) for name, value in self.variables.items()}
        return {"AWS_ENDPOINT_URL": endpoint_url, "AWS_SESSION_TOKEN": SECRET, **NO_PROFILES, **own}


DENIED: Final = Refusal("AccessDeniedException", "User: arn:aws:iam::123456789012:user/shop is not authorized")
EXPIRED: Final = Refusal("ExpiredTokenException", "The security token included in the request is expired")
NOT_SIGNED: Final = Refusal(
    "InvalidSignatureException",
    f"The request signature we calculated does not match.\n\nPOST\n/\nx-amz-security-token:{SECRET}",
)
ORDERS: Final = f'{APP}.fulfil @on_sqs_batch("orders")'
STREAM: Final = f'{APP}.watch @on_kinesis("temperatures")'
PROVISION: Final = "is us-east-1 the right region? `eventflow provision` makes it there"
QUEUE_ARN: Final = "arn:aws:sqs:us-east-1:123456789012:orders"

CASES: Final = {
    "a queue that does not exist": Case(
        resources={"sqs:orders": "orders-prod"},
        says=(f"{ORDERS}: sqs:orders (orders-prod): does not exist (sqs:GetQueueUrl: ", PROVISION),
    ),
    "the wrong region": Case(
        variables={"AWS_REGION": "eu-west-1"},
        problems=9,
        says=(ORDERS, "sqs:orders: does not exist", "is eu-west-1 the right region?"),
    ),
    "a region that cannot be": Case(
        variables={"AWS_REGION": "eu west"}, says=("region: 'eu west' is not a region", "e.g. eu-west-1")
    ),
    "a FIFO queue declared as standard": Case(
        resources={"sqs:orders": "orders.fifo"},
        says=(f"{ORDERS}: sqs:orders: is bound to orders.fifo, which is a FIFO queue", 'call it "orders.fifo"'),
    ),
    "a visibility timeout below the function's": Case(
        resources={"sqs:orders": "hasty"},
        says=(
            f"{ORDERS}: sqs:orders (hasty): its visibility timeout (5 s) is below timeout_seconds=20",
            "give the queue 120 s",
        ),
    ),
    "no event queue": Case(
        table={"event_queue": None},
        says=("[environments.shop] event_queue: is not set", 'set event_queue = "sqs:<queue>"'),
    ),
    "an event queue that does not exist": Case(
        table={"event_queue": '"sqs:nowhere"'},
        says=("[environments.shop] event_queue: sqs:nowhere: does not exist", PROVISION),
    ),
    "no notification queue": Case(
        table={"notification_queue": None},
        problems=3,
        says=(f'{APP}.file_note @on_s3("uploads")', f'{APP}.evacuate @on_sns("alarms")', "set notification_queue"),
    ),
    "a notification queue that does not exist": Case(
        table={"notification_queue": '"nowhere-{service}-{name}"'},
        problems=3,
        says=(f'{APP}.file_note @on_s3("uploads")\n    sqs:nowhere-s3-uploads: does not exist', PROVISION),
    ),
    "a stream, a table and two destinations that do not exist": Case(
        resources={
            "kinesis:temperatures": "no-stream",
            "dynamodb:stock": "no-table",
            "sns:picked": "nowhere",
            "sqs:unread": "nowhere",
        },
        problems=4,
        says=(
            f"{STREAM}\n    kinesis:temperatures: does not exist (kinesis:DescribeStreamSummary: Stream no-stream",
            f'{APP}.reorder @on_dynamodb_stream("stock")\n    dynamodb:stock: does not exist (dynamodb:DescribeTable: ',
            f"{APP}.pick on_success\n    sns:picked (nowhere): does not exist",
            f"{APP}.file_note on_failure\n    sqs:unread (nowhere): does not exist",
            PROVISION,
        ),
    ),
    "another service's ARN": Case(
        resources={"kinesis:temperatures": QUEUE_ARN},
        says=(f"{STREAM}: kinesis:temperatures: is bound to {QUEUE_ARN}, which is of sqs", "an ARN of kinesis"),
    ),
    "another region's ARN": Case(
        resources={"sqs:orders": "arn:aws:sqs:eu-west-1:123456789012:orders"},
        says=(f"{ORDERS}: sqs:orders: is bound to arn:aws:sqs:eu-west-1", 'set region = "eu-west-1"'),
    ),
    "an option that is misspelled": Case(
        table={"notification_que": '"x"', "event_quue": '"x"', "lease_seconds": "1"},
        problems=3,
        says=(
            "notification_que  is not an option",
            "known: profile",
            "did you mean notification_queue?",
            "did you mean event_queue?",
            "1 is not allowed",
            "from 5 to 300",
        ),
    ),
    "a profile that does not exist": Case(
        table={"profile": '"nobody"'}, says=("profile: there is no profile 'nobody'", "known: none")
    ),
    "a profile in the variables that does not exist": Case(
        variables={"AWS_PROFILE": "nobody", "AWS_REGION": ""},
        says=("environment variable AWS_PROFILE: there is no profile 'nobody'", "aws configure"),
    ),
    "no credentials": Case(
        variables={
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{silent}",
        },
        says=("[environments.shop] event_queue and 8 more: aws credentials: there are none", "set AWS_PROFILE"),
    ),
    "half of the credentials": Case(
        variables={"AWS_SECRET_ACCESS_KEY": ""},
        says=("aws credentials: are not complete: AWS_SECRET_ACCESS_KEY is missing",),
    ),
    "denied access": Case(
        refused={("GetQueueUrl", '"orders"'): DENIED},
        says=(
            f"{ORDERS}: sqs:orders: sqs:GetQueueUrl is denied (AccessDeniedException: User: arn:aws:iam::",
            "allow it to these credentials: `eventflow export iam`",
        ),
    ),
    "credentials that STS refuses": Case(
        refused={("GetCallerIdentity",): Refusal("AccessDenied", "not allowed by the endpoint's policy")},
        says=(
            f'{APP}.evacuate @on_sns("alarms") and 2 more: aws account: sts:GetCallerIdentity is denied',
            'state it: account_id = "123456789012"',
        ),
    ),
    "an expired token": Case(
        refused={("/",): EXPIRED},
        says=("more: aws credentials: have expired (ExpiredTokenException: ", "aws sso login"),
    ),
    "a wrong secret key": Case(
        refused={("Kinesis",): NOT_SIGNED},
        says=(f"{STREAM}: aws credentials: are not accepted (InvalidSignatureException: ", "this machine's clock"),
    ),
    "an endpoint that is down": Case(
        variables={"AWS_ENDPOINT_URL": DEAD},
        exit_code=UNREACHABLE,
        problems=7,
        says=(ORDERS, f"sqs:orders: sqs:GetQueueUrl: cannot connect to {DEAD}", "is the address right, us-east-1"),
    ),
    "an endpoint of one service that is down": Case(
        variables={"AWS_ENDPOINT_URL_KINESIS": DEAD},
        exit_code=UNREACHABLE,
        says=(f"{STREAM}: kinesis:temperatures: kinesis:DescribeStreamSummary: cannot connect to {DEAD}",),
    ),
    "an endpoint that never answers": Case(
        variables={"AWS_ENDPOINT_URL_SNS": "{silent}"},
        exit_code=UNREACHABLE,
        says=(f"{APP}.pick on_success: sns:picked: sns:GetTopicAttributes: ", "does not answer in time"),
    ),
    "an endpoint that is something else": Case(
        variables={"AWS_ENDPOINT_URL_KINESIS": "{other}"},
        exit_code=UNREACHABLE,
        says=(f"{STREAM}: kinesis:temperatures: ", "the answer is HTTP status 404, and no answer of AWS's"),
    ),
    "mistakes of two kinds": Case(
        resources={"sqs:orders": "orders-prod"},
        variables={"AWS_ENDPOINT_URL_KINESIS": DEAD},
        problems=2,
        says=(f"{ORDERS}\n    sqs:orders (orders-prod): does not exist", f"{STREAM}\n    kinesis:temperatures: "),
    ),
}


# At start


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, with everything that the app names."""
    with installed(), running("moto") as (server, _):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server.endpoint_url}.items():
                patch.setenv(name, value)
            patch.chdir(tmp_path_factory.mktemp("account"))
            Path("eventflow.toml").write_text(document(Case(says=())))
            result = CliRunner().invoke(cli, ["provision", TARGET, "--app-dir", str(ROOT), "--env", "shop"])
            assert result.exit_code == 0, result.output
            sqs: Any = boto3.client("sqs", region_name="us-east-1")
            sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})
            sqs.create_queue(QueueName="hasty", Attributes={"VisibilityTimeout": "5"})
        yield server


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """A web server that is not AWS."""
    with serving_http(_NotFound) as url:
        yield url


class Said(NamedTuple):
    """What a command ended with."""

    exit_code: int
    stdout: str
    stderr: str


Serve: TypeAlias = Callable[[str], Said]


@pytest.fixture(scope="module")
def serve(account: Server, silent: str, other: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts what a case names; those that wait for a network all at once, as processes."""
    urls = {"silent": silent, "other": other}

    def process(case: Case) -> Said:
        directory = tmp_path_factory.mktemp("bad")
        (directory / "eventflow.toml").write_text(document(case))
        variables = case.in_full(account.endpoint_url, urls)
        deployment = Deployment(directory=directory, target=TARGET, environment="shop", variables=variables)
        done = deployment.command(*SERVE)
        return Said(done.returncode, done.stdout, done.stderr)

    with ThreadPoolExecutor(PROCESSES) as executor:
        waiting = {name: executor.submit(process, case) for name, case in reversed(CASES.items()) if case.waits}

        def run(name: str) -> Said:
            if name in waiting:
                return waiting[name].result()
            case = CASES[name]
            with gate_before(account.port) as gate:
                gate.refusals.update(case.refused)
                url = gate.url if case.refused else account.endpoint_url
                return command(case, case.in_full(url, urls), tmp_path_factory.mktemp("bad"), *SERVE)

        yield run


def command(case: Case, variables: Mapping[str, str], directory: Path, *arguments: str) -> Said:
    """The command line, here."""
    (directory / "eventflow.toml").write_text(document(case))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "EVENTFLOW_"))]:
            patch.delenv(name)
        for name, value in {**CREDENTIALS, **variables}.items():
            patch.setenv(name, value)
        patch.chdir(directory)
        result = CliRunner().invoke(cli, arguments)
    return Said(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize("name", [name for waits in (False, True) for name in CASES if CASES[name].waits is waits])
def test_a_mistake_is_told_once_and_clearly(serve: Serve, name: str) -> None:
    case, said = CASES[name], serve(name)
    assert said.exit_code == case.exit_code, said
    assert said.stdout == ""
    assert said.stderr.startswith(f"error: {case.problems} problems" if case.problems > 1 else "error: "), said.stderr
    assert said.stderr.count("error: ") == 1
    for text in case.says:
        assert text in said.stderr, said.stderr
    for text in ("Traceback", "botocore", SECRET):
        assert text not in said.stderr


# The other commands

COMMANDS: Final = {"check": ("check",), "provision": ("provision", "--dry-run"), "export": ("export", "iam")}
KNOWN_WITHOUT_ASKING: Final = (
    "no event queue",
    "no notification queue",
    "another service's ARN",
    "an option that is misspelled",
    "a profile that does not exist",
    "a profile in the variables that does not exist",
    "a region that cannot be",
)
FOUND_BY_ASKING: Final = {
    "a queue that does not exist": ("warning: sqs:orders: does not exist (sqs:GetQueueUrl: ", PROVISION),
    "a FIFO queue declared as standard": ("warning: sqs:orders: is bound to orders.fifo, which is a FIFO queue",),
    "a notification queue that does not exist": ("warning: sqs:nowhere-s3-uploads: does not exist", PROVISION),
    "no credentials": ("warning: aws credentials: there are none", "set AWS_PROFILE"),
    "denied access": ("warning: sqs:orders: sqs:GetQueueUrl is denied", "`eventflow export iam`"),
    "an endpoint of one service that is down": ("warning: kinesis:temperatures: ", f"cannot connect to {DEAD}"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("name", KNOWN_WITHOUT_ASKING)
def test_every_command_tells_what_is_known_without_asking(tmp_path: Path, name: str, words: tuple[str, ...]) -> None:
    case = CASES[name]
    arguments = (*words, TARGET, "--app-dir", str(ROOT), "--env", "shop")
    said = command(case, case.in_full(DEAD, {}), tmp_path, *arguments)
    assert said.exit_code == (1 if words == ("check",) else MISCONFIGURED), said
    told = said.stdout + said.stderr
    for text in (
        "is not set",
        "no queue brings its events",
        "which is of sqs",
        "is not an option",
        "there is no profile",
    ):
        assert any(text in expected for expected in case.says) <= (text in told), told
    assert case.says[-1].partition("; ")[0] in told, told
    assert "Traceback" not in told


@pytest.mark.parametrize("name", FOUND_BY_ASKING)
def test_check_finds_what_serve_refuses(account: Server, silent: str, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    with gate_before(account.port) as gate:
        gate.refusals.update(case.refused)
        variables = case.in_full(gate.url, {"silent": silent})
        said = command(case, variables, tmp_path, "check", TARGET, "--app-dir", str(ROOT), "--env", "shop")
    assert said.exit_code == 1, said
    for text in FOUND_BY_ASKING[name]:
        assert said.stdout.count(text) >= 1, said.stdout
    assert said.stdout.count(FOUND_BY_ASKING[name][0]) == 1, said.stdout


def test_provision_tells_of_missing_permission(account: Server, tmp_path: Path) -> None:
    with gate_before(account.port) as gate:
        gate.refusals[("CreateQueue", "orders-prod")] = DENIED
        case = CASES["a queue that does not exist"]
        variables = case.in_full(gate.url, {})
        said = command(case, variables, tmp_path, "provision", TARGET, "--app-dir", str(ROOT), "--env", "shop")
    assert said.exit_code == MISCONFIGURED, said
    assert said.stderr.startswith("error: sqs:orders-prod-dead-letters: sqs:CreateQueue is denied"), said.stderr
    assert "allow it to these credentials" in said.stderr


@pytest.fixture(autouse=True)
def _logging_is_restored() -> Iterator[None]:
    """Commands send it to streams that are closed by now."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def document(case: Case) -> str:
    table = {key: value for key, value in {**TABLE, **case.table}.items() if value is not None}
    lines = ["[environments.shop]", *(f"{key} = {value}" for key, value in table.items())]
    lines += ["[environments.shop.resources]", *(f'"{key}" = "{value}"' for key, value in case.resources.items())]
    return "\n".join(lines)


class _NotFound(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
