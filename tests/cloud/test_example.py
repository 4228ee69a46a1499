"""An example, unchanged, on servers that speak AWS's API; a plain boto3 script feeds it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from eventflow.events import recognise
from tests.cloud.environments import EXAMPLES
from tests.cloud.script import Script
from tests.cloud.serving import CREDENTIALS, Deployment, wait_until
from tests.servers.server import Server

pytestmark = pytest.mark.timeout(600)  # the example has everything

TOLD = ("unloaded d1", "delivery d2 has -3 pallets", "evacuating north", "north has 91", "INSERT")
Endpoints = dict[str, str]


@pytest.fixture(scope="module")
def endpoints(localstack_server: Server, kinesis_server: Server, moto_server: Server) -> Endpoints:
    """LocalStack where it is best, and the others for what it does not have here."""
    return {
        "AWS_ENDPOINT_URL": localstack_server.endpoint_url,
        "AWS_ENDPOINT_URL_KINESIS": kinesis_server.endpoint_url,
        "AWS_ENDPOINT_URL_DYNAMODB": moto_server.endpoint_url,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": moto_server.endpoint_url,
    }


@pytest.fixture
def script(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Script:
    for name, value in {**CREDENTIALS, **endpoints}.items():
        monkeypatch.setenv(name, value)
    return Script()


@pytest.fixture
def warehouse(endpoints: Endpoints, tmp_path: Path) -> Deployment:
    (tmp_path / "eventflow.toml").write_bytes((EXAMPLES / "eventflow.toml").read_bytes())
    return Deployment(directory=tmp_path, target=str(EXAMPLES / "warehouse.py"), environment="aws", variables=endpoints)


def test_the_warehouse_runs_unchanged(warehouse: Deployment, script: Script) -> None:
    provisioned = warehouse.command("provision", warehouse.target, "--env", "aws")
    assert provisioned.returncode == 0, provisioned.stderr
    watching = watch_destinations(script)
    checked = warehouse.command("check", warehouse.target, "--env", "aws")
    assert "missing" not in checked.stdout, checked.stdout
    with warehouse.serve() as serving:
        script.send("deliveries", {"id": "d1", "pallets": 3})
        script.send("deliveries", {"id": "d2", "pallets": -3})
        script.put_object("delivery-notes", "in/today é.txt", b"3 pallets")
        script.put_object("delivery-notes", "in/empty.txt", b"")
        script.put_object("delivery-notes", "in/photo.png", b"not a note")
        script.publish("alarms", {"zone": "north", "degrees": 90}, severity="high")
        script.publish("alarms", {"zone": "south", "degrees": 30}, severity="low")
        script.put_event("operations", "shop", "OrderPlaced", {"order": 7})
        script.put_event("operations", "shop", "OrderCancelled", {"order": 8})
        script.put_record("temperatures", "north", {"zone": "north", "degrees": 91})
        script.put_item("stock", id="bolts", count="3")

        arrived: dict[str, list[Any]] = {"filed": [], "unfiled": [], **{queue: [] for queue in watching}}

        def everything_came() -> bool:
            for queue, found in arrived.items():
                found += script.received(queue)
            return all(arrived.values())

        wait_until(everything_came, what=lambda: f"{arrived}\n{serving.log.read_text()[-3000:]}")
        wait_until(
            lambda: all(words in serving.log.read_text() for words in TOLD),
            what=lambda: serving.log.read_text()[-3000:],
        )
        assert "pick" not in [record["requestPayload"].get("detail-type") for record in arrived["picked-inbox"]]
    [filed] = arrived["filed"]
    assert filed["responsePayload"] == {"in/today é.txt": 9}
    [unfiled] = arrived["unfiled"]
    assert unfiled["requestContext"]["condition"] == "RetriesExhausted"
    log = serving.log.read_text()
    assert "evacuating south" not in log


def watch_destinations(script: Script) -> dict[str, str]:
    """Queues behind the topic and the bus that results go to, as an operator would look at them."""
    sqs, sns, events = (script.client(service) for service in ("sqs", "sns", "events"))
    arns = {}
    for queue in ("picked-inbox", "operations-inbox"):
        url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        arns[queue] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    [topic] = [item["TopicArn"] for item in sns.list_topics()["Topics"] if item["TopicArn"].endswith(":picked")]
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arns["picked-inbox"], Attributes=raw)
    pattern = json.dumps({"source": ["lambda"]})
    events.put_rule(Name="watch-operations", EventBusName="operations", EventPattern=pattern)
    target = {"Id": "inbox", "Arn": arns["operations-inbox"]}
    events.put_targets(Rule="watch-operations", EventBusName="operations", Targets=[target])
    return arns


def test_every_event_has_the_shape_that_aws_gives_it(endpoints: Endpoints, script: Script, tmp_path: Path) -> None:
    suffix = uuid.uuid4().hex[:6]
    services = ("sqs", "s3", "sns", "eventbridge", "kinesis", "dynamodb")
    bindings = "".join(f'"{service}:shapes" = "shapes-{suffix}"\n' for service in services)
    (tmp_path / "eventflow.toml").write_text(
        f'[environments.cloud]\nadapter = "aws"\nevent_queue = "sqs:shapes-events-{suffix}"\n'
        f'notification_queue = "{{service}}-{{name}}-{suffix}"\nlease_table = "shapes-leases-{suffix}"\n'
        f"[environments.cloud.resources]\n{bindings}"
    )
    ledger = tmp_path / "ledger.jsonl"
    app = Deployment(
        directory=tmp_path,
        target="tests.cloud.recorder_app",
        environment="cloud",
        variables={**endpoints, "LEDGER": str(ledger)},
    )
    name = f"shapes-{suffix}"
    provisioned = app.command("provision", app.target, "--env", "cloud")
    assert provisioned.returncode == 0, provisioned.stderr

    def recorded() -> dict[str, Any]:
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return {entry["source"]: entry["event"] for entry in map(json.loads, lines)}

    with app.serve() as serving:
        script.send(name, {"n": 1})
        script.put_object(name, "a b/é.txt", b"text")
        script.publish(name, {"n": 2}, colour="red")
        script.put_event(name, "shapes", "Shape", {"n": 3})
        script.put_record(name, "key", {"n": 4})
        script.put_item(name, id="5")
        wait_until(
            lambda: recorded().keys() == set(services),
            what=lambda: f"{recorded().keys()}\n{serving.log.read_text()[-3000:]}",
        )
    events = recorded()
    for source, event in events.items():
        model = recognise(event)
        assert model.model_validate(event).to_wire() == event, source
        sample = json.loads((SAMPLES / source / SAMPLE_OF[source]).read_text())
        assert model is recognise(sample)
        absent = {key for key in missing_keys(sample, event) if not key.startswith(SENDERS_OWN)}
        assert not absent, source


SAMPLES = Path(__file__).parents[1] / "samples"
SAMPLE_OF = {
    "sqs": "standard.json",
    "s3": "put_with_encoded_key.json",
    "sns": "subject_and_attributes.json",
    "eventbridge": "aws_service.json",
    "kinesis": "batch.json",
    "dynamodb": "new_image.json",
}
SENDERS_OWN = (
    ".Records[].Sns.MessageAttributes.",
    ".Records[].dynamodb.Keys.",
    ".Records[].dynamodb.NewImage.",
    ".detail.",
)
"""What the sender of an event chose, not AWS."""


def missing_keys(sample: Any, event: Any, path: str = "") -> set[str]:
    """The keys that a sample of AWS's has and an event has not, in the first element of lists."""
    if isinstance(sample, dict) and isinstance(event, dict):
        found: set[str] = {f"{path}.{key}" for key in sample.keys() - event.keys()}
        return found.union(*(missing_keys(sample[key], event[key], f"{path}.{key}") for key in sample.keys() & event))
    if isinstance(sample, list) and isinstance(event, list) and sample and event:
        return missing_keys(sample[0], event[0], f"{path}[]")
    return set()
