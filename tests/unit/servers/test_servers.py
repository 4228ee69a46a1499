"""Every server starts, does what it is there for, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import boto3
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.servers import activemq, kafka, lambda_runtime, rabbitmq
from tests.servers.process import Process, ServerStartError, accepts, free_port
from tests.servers.running import PrivateServer
from tests.servers.server import Server
from tests.unit.servers import wire
from tests.unit.servers.sockets import is_running, listening_addresses, with_descendants

StartServer = Callable[[str], PrivateServer]

ROOT = Path(__file__).resolve().parents[3]
LAMBDA_ROLE = "arn:aws:iam::000000000000:role/any"


def send_and_receive(server: Server) -> None:
    with closing(boto3.client("sqs", **server.client_options)) as sqs:
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        number = {"n": {"DataType": "Number", "StringValue": "1"}}
        sqs.send_message(QueueUrl=queue, MessageBody="one", MessageAttributes=number)
        received = sqs.receive_message(
            QueueUrl=queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )
    [message] = received["Messages"]
    assert message["Body"] == "one"
    assert message["MessageAttributes"]["n"]["StringValue"] == "1"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def put_and_read_record(server: Server) -> None:
    with closing(boto3.client("kinesis", **server.client_options)) as kinesis:
        kinesis.create_stream(StreamName="clicks", ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName="clicks", WaiterConfig={"Delay": 1, "MaxAttempts": 100})
        put = kinesis.put_record(StreamName="clicks", Data=b"one", PartitionKey="a")
        start = kinesis.get_shard_iterator(
            StreamName="clicks", ShardId=put["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        [record] = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert record["Data"] == b"one"


def put_and_read_change(server: Server) -> None:
    options = server.client_options
    with (
        closing(boto3.client("dynamodb", **options)) as tables,
        closing(boto3.client("dynamodbstreams", **options)) as s,
    ):
        arn = tables.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]["LatestStreamArn"]
        tables.put_item(TableName="orders", Item={"id": {"S": "one"}})
        [shard] = s.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        start = s.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        [record] = s.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "one"}}


def select(server: Server) -> None:
    assert query(server, "select 40 + 2") == "42"


def query(server: Server, statement: str) -> str:
    command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--command", statement, server.dsn]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def produce_and_consume(server: Server) -> None:
    assert asyncio.run(through_topic(server)) == b"one"


async def through_topic(server: Server) -> bytes | None:
    """By the longest way in: over TLS, with a password that is not sent."""
    trusted = ssl.create_default_context(cafile=trusted_authority(server))
    options = {
        "bootstrap_servers": server.addresses["SASL_SSL"],
        "security_protocol": "SASL_SSL",
        "ssl_context": trusted,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": kafka.USER,
        "sasl_plain_password": kafka.PASSWORD,
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=server.endpoint_url)
    await admin.start()
    await admin.create_topics([NewTopic("orders", 1, 1)])
    await admin.close()
    async with (
        AIOKafkaProducer(**options) as producer,
        AIOKafkaConsumer("orders", group_id="any", auto_offset_reset="earliest", **options) as consumer,
    ):
        await producer.send_and_wait("orders", b"one")
        record = await consumer.getone()
    value: bytes | None = record.value
    return value


def trusted_authority(server: Server) -> Path:
    assert server.certificates is not None
    return server.certificates / "ca.pem"


def log_in_to_rabbitmq(server: Server) -> None:
    for virtual_host in ("/", rabbitmq.VIRTUAL_HOST):
        wire.open_amqp(server.port, user=rabbitmq.USER, password=rabbitmq.PASSWORD, virtual_host=virtual_host)


def send_and_receive_stomp(server: Server) -> None:
    body = wire.send_and_receive_stomp(server.port, user=activemq.USER, password=activemq.PASSWORD)
    assert body == "one"


def ask_version(server: Server) -> None:
    assert b"maxWireVersion" in wire.ask_mongodb(server.port, "isMaster")


def invoke_function(server: Server) -> None:
    assert lambda_runtime.invoke(server, {"actor": "me"}) == {"audited": "me"}


REQUESTS: dict[str, Callable[[Server], None]] = {
    "moto": send_and_receive,
    "elasticmq": send_and_receive,
    "kinesis": put_and_read_record,
    "dynamodb": put_and_read_change,
    "localstack": put_and_read_record,  # a process of its own there
    "postgresql": select,
    "kafka": produce_and_consume,
    "rabbitmq": log_in_to_rabbitmq,
    "activemq": send_and_receive_stomp,
    "mongodb": ask_version,
    "lambda": invoke_function,
}


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about processes and sockets")
@pytest.mark.parametrize("name", REQUESTS)
def test_a_server_works_on_loopback_and_leaves_nothing_when_it_stops(name: str, start_server: StartServer) -> None:
    private = start_server(name)
    server = private.server

    REQUESTS[name](server)
    family = with_descendants(private.process.pid)

    addresses = listening_addresses(private.process.pid)
    assert addresses
    assert all(ip_address(address).is_loopback for address in addresses)
    private.close()
    assert not accepts(server.port)
    assert not private.process.log.parent.exists()
    assert_soon(lambda: not any(is_running(pid) for pid in family))


def test_a_killed_server_comes_back_at_its_address_with_its_data(start_server: StartServer) -> None:
    private = start_server("postgresql")
    address = private.server.dsn
    query(private.server, "create table kept as select 7 as n")

    private.kill()
    assert not accepts(private.server.port)
    private.restart()

    assert private.server.dsn == address
    assert query(private.server, "select n from kept") == "7"


def test_a_killed_kafka_keeps_its_topics_its_addresses_and_its_authority(start_server: StartServer) -> None:
    private = start_server("kafka")
    addresses, authority = private.server.addresses, trusted_authority(private.server).read_bytes()
    produce_and_consume(private.server)

    private.kill()
    private.restart()

    assert private.server.addresses == addresses
    assert trusted_authority(private.server).read_bytes() == authority
    assert asyncio.run(topics(private.server)) >= {"orders"}


async def topics(server: Server) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=server.endpoint_url)
    await admin.start()
    names = await admin.list_topics()
    await admin.close()
    return set(names)


def test_a_server_ends_with_tests_that_are_killed(start_server: StartServer) -> None:
    start_server("kinesis").close()  # skips where it is not installed
    command = [sys.executable, "-m", "tests.unit.servers.orphaned", "kinesis"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        port, scratch = int(tests.stdout.readline()), Path(tests.stdout.readline().strip())
        assert accepts(port)
        tests.kill()

    assert_soon(lambda: not accepts(port) and not scratch.exists())


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('the disk is full'); raise SystemExit(3)"]
    process = Process("broken", command, scratch=tmp_path)

    with pytest.raises(ServerStartError, match=r"broken ended with code 3(.|\n)*the disk is full"):
        process.wait_until(lambda: False)


def test_localstack_runs_functions_by_calling_them_over_http(localstack_server: Server) -> None:
    with (
        shouting_function() as url,
        closing(boto3.client("lambda", **localstack_server.client_options)) as functions,
    ):
        functions.create_function(
            FunctionName="shout",
            Runtime="python3.11",
            Role=LAMBDA_ROLE,
            Handler="any.handler",
            Code={"ZipFile": any_archive()},
            Environment={"Variables": {"LOCAL_URL": url}},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName="shout", WaiterConfig={"Delay": 1})
        good = functions.invoke(FunctionName="shout", Payload=b'"hello"')
        bad = functions.invoke(FunctionName="shout", Payload=b'""')

    assert good["Payload"].read() == b'"HELLO"'
    assert ["FunctionError" in set(answer) for answer in (good, bad)] == [False, True]
    assert "nothing to shout" in json.loads(bad["Payload"].read())["errorMessage"]


@contextmanager
def shouting_function() -> Iterator[str]:
    """The URL of a function that answers in capitals."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if event else 500)
            self.end_headers()
            self.wfile.write(json.dumps(event.upper()).encode() if event else b"nothing to shout")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def any_archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("any.py", "")
    return archive.getvalue()


def test_a_free_port_is_not_one_that_clients_are_given() -> None:
    assert free_port() < 32768


def test_no_port_is_given_twice() -> None:
    other = "from tests.servers.process import free_port; print([free_port() for _ in range(80)]); input()"
    with subprocess.Popen(
        [sys.executable, "-c", other], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        theirs = json.loads(process.stdout.readline())
        ours = [free_port() for _ in range(80)]
        process.communicate(b"\n")
    assert len({*theirs, *ours}) == 160


def assert_soon(true: Callable[[], bool]) -> None:
    """Other processes need real time."""
    give_up_at = time.monotonic() + 120
    while not true():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
