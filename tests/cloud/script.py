"""Feeding AWS's services, and looking into queues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3


class Script:
    """What anybody would write with boto3. Its credentials are those of the variables when it is made."""

    def __init__(self) -> None:
        self._session = boto3.session.Session(region_name="us-east-1")

    def client(self, service: Any) -> Any:
        return self._session.client(service)

    def send(self, queue: str, body: Mapping[str, Any]) -> None:
        sqs = self.client("sqs")
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=json.dumps(body))

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def publish(self, topic: str, body: Mapping[str, Any], **attributes: str) -> None:
        sns = self.client("sns")
        [arn] = [item["TopicArn"] for item in sns.list_topics()["Topics"] if item["TopicArn"].endswith(f":{topic}")]
        typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        sns.publish(TopicArn=arn, Message=json.dumps(body), MessageAttributes=typed)

    def put_event(self, bus: str, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        entry = {"EventBusName": bus, "Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
        assert self.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def put_record(self, stream: str, key: str, body: Mapping[str, Any]) -> None:
        self.client("kinesis").put_record(StreamName=stream, PartitionKey=key, Data=json.dumps(body).encode())

    def put_item(self, table: str, **item: str) -> None:
        typed = {name: {"S": value} for name, value in item.items()}
        self.client("dynamodb").put_item(TableName=table, Item=typed)

    def received(self, queue: str) -> list[Any]:
        """The bodies of what lies in a queue; it is deleted."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]
