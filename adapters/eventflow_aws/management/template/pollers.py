"""Event source mappings: every option of Lambda's, for every source that it polls.

Source: Lambda API: CreateEventSourceMapping; AWS SAM specification: EventSource.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Service
from eventflow.model.documentdb import ChangeSubscription, CollectionAddress
from eventflow.model.mapping import StartingPosition, StreamMapping
from eventflow.model.message_queues import DEFAULT_VIRTUAL_HOST, QueueAddress
from eventflow.model.subscriptions import StreamSubscription
from eventflow_aws.management.permissions import LAMBDA_READ_STREAM, LAMBDA_RECEIVE, READ_TABLE_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from eventflow.model.destinations import Destination
    from eventflow.model.mapping import BatchSettings
    from eventflow_aws.management.template.part import FunctionPart
    from eventflow_aws.management.template.values import Value

    Properties = dict[str, Any]

BROKER_WINDOW_SECONDS: Final = 0.5
"""What Lambda waits for by itself behind brokers; the API cannot say it."""
DEFAULT_CONCURRENCY: Final = {Service.RABBITMQ: 1, Service.ACTIVEMQ: 5}
"""What Lambda's own concurrency is behind message queues. Source: Lambda guide: with-mq."""

_BROKERS: Final = (Service.KAFKA, Service.RABBITMQ, Service.ACTIVEMQ, Service.DOCUMENTDB)
_DESTINATION_TYPES: Final = {Service.SQS: "SQS", Service.SNS: "SNS", Service.S3: "S3", Service.KAFKA: "Kafka"}
_KAFKA_SECRETS: Final = {
    "sasl-plain": "BASIC_AUTH",
    "sasl-scram": "SASL_SCRAM_512_AUTH",
    "sasl-scram-512": "SASL_SCRAM_512_AUTH",
    "sasl-scram-256": "SASL_SCRAM_256_AUTH",
    "mtls": "CLIENT_CERTIFICATE_TLS_AUTH",
}


def sqs(part: FunctionPart) -> tuple[str, Properties]:
    mapping = part.queue_mapping
    queue = part.resources.read_queue(
        part.name,
        timeout_seconds=part.timeout_seconds,
        window_seconds=mapping.batch.maximum_batching_window_seconds,
    )
    part.role.allow("ReadQueues", LAMBDA_RECEIVE, queue)
    properties = {"Queue": queue, **_batch(part, mapping.batch, reports=True)}
    if mapping.maximum_concurrency is not None:
        properties["ScalingConfig"] = {"MaximumConcurrency": mapping.maximum_concurrency}
    return "SQS", properties


def kinesis(part: FunctionPart) -> tuple[str, Properties]:
    stream = part.resources.arn(Service.KINESIS, part.name)
    part.role.allow("ReadStreams", LAMBDA_READ_STREAM, stream)
    part.role.allow("ListStreams", ("kinesis:ListStreams",), "*", wildcard="kinesis:ListStreams has no resource")
    return "Kinesis", {"Stream": stream, **_stream(part)}


def dynamodb(part: FunctionPart) -> tuple[str, Properties]:
    subscription = part.subscription
    view_type = subscription.view_type if isinstance(subscription, StreamSubscription) else None
    stream = part.resources.table_stream(part.name, view_type)
    part.role.allow("ReadTableStreams", READ_TABLE_STREAM, stream)
    part.role.allow("ListTableStreams", ("dynamodb:ListStreams",), "*", wildcard="dynamodb:ListStreams has no resource")
    return "DynamoDB", {"Stream": stream, **_stream(part)}


def kafka(part: FunctionPart) -> tuple[str, Properties]:
    mapping = part.stream_mapping
    if mapping.parallelization_factor > 1:
        part.remark("parallelization_factor is not Lambda's for Kafka: records of a partition are handled in order")
    properties: Properties = {"Topics": [part.name], **_stream(part, keyed=False)}
    if mapping.consumer_group is not None:
        properties["ConsumerGroupId"] = mapping.consumer_group
    if _needs_provisioned_pollers(mapping):
        properties["ProvisionedPollerConfig"] = {"MinimumPollers": 1}
        part.remark("its error handling needs provisioned pollers, which cost by the hour: one at least is asked for")
    options = part.options(Service.KAFKA)
    authentication = str(options.get("authentication", "plain"))
    cluster = part.resources.bound_arn(f"kafka:{part.name}") or options.get("cluster_arn")
    servers = options.get("bootstrap_servers")
    if cluster is None and servers is not None and authentication != "msk-iam":
        addresses = servers.split(",") if isinstance(servers, str) else servers
        self_managed = {"KafkaBootstrapServers": [address.strip() for address in addresses]}
        return "SelfManagedKafka", {**self_managed, **properties, **_access(part, authentication, own=True)}
    if cluster is None:
        cluster = part.resources.parameter("KafkaClusterArn", "ARN of the Amazon MSK cluster")
    _read_msk(part, cluster, authentication)
    return "MSK", {"Stream": cluster, **properties, **_access(part, authentication, own=False)}


def message_queue(part: FunctionPart) -> tuple[str, Properties]:
    mapping, service = part.queue_mapping, part.service
    _beyond_lambda(part, mapping.maximum_retry_attempts not in (None, -1), "maximum_retry_attempts")
    _beyond_lambda(part, mapping.on_failure is not None, "on_failure")
    _beyond_lambda(part, mapping.maximum_concurrency != DEFAULT_CONCURRENCY[service], "maximum_concurrency")
    address = QueueAddress.parse(part.name)
    engine = "RabbitMq" if service is Service.RABBITMQ else "ActiveMq"
    broker = part.resources.bound_arn(f"{service}:{part.name}") or part.resources.parameter(
        f"{engine}BrokerArn", f"ARN of the Amazon MQ broker of {service}"
    )
    secret = part.resources.parameter(
        f"{engine}SecretArn", "ARN of the secret with the broker's user name and password"
    )
    access = [{"Type": "BASIC_AUTH", "URI": secret}]
    if service is Service.RABBITMQ:
        access.append({"Type": "VIRTUAL_HOST", "URI": address.virtual_host or DEFAULT_VIRTUAL_HOST})
    part.role.allow("DescribeBrokers", ("mq:DescribeBroker",), broker)
    part.role.allow("ReadSecrets", ("secretsmanager:GetSecretValue",), secret)
    part.role.allow_network()
    batch = _batch(part, mapping.batch, reports=False)
    return "MQ", {"Broker": broker, "Queues": [address.queue], "SourceAccessConfigurations": access, **batch}


def documentdb(part: FunctionPart) -> tuple[str, Properties]:
    mapping, subscription = part.stream_mapping, part.subscription
    _beyond_lambda(part, mapping.maximum_retry_attempts != -1, "maximum_retry_attempts")
    _beyond_lambda(part, mapping.maximum_record_age_seconds != -1, "maximum_record_age_seconds")
    _beyond_lambda(part, mapping.on_failure is not None, "on_failure")
    address = CollectionAddress.parse(part.name)
    cluster = part.resources.bound_arn(f"documentdb:{part.name}") or part.resources.parameter(
        "DocumentDbClusterArn", "ARN of the Amazon DocumentDB cluster"
    )
    description = "ARN of the secret with the cluster's user name and password"
    secret = part.resources.parameter("DocumentDbSecretArn", description)
    properties: Properties = {
        "Cluster": cluster,
        "DatabaseName": address.database,
        **({"CollectionName": address.collection} if address.collection else {}),
        "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret}],
        **_start(mapping),
        **_batch(part, mapping.batch, reports=False),
    }
    if isinstance(subscription, ChangeSubscription):
        properties["FullDocument"] = str(subscription.full_document)
    actions = ("rds:DescribeDBClusterParameters", "rds:DescribeDBClusters", "rds:DescribeDBSubnetGroups")
    part.role.allow("DescribeClusters", actions, "*", wildcard="rds:Describe actions are asked for on all clusters")
    part.role.allow("ReadSecrets", ("secretsmanager:GetSecretValue",), secret)
    part.role.allow_network()
    return "DocumentDB", properties


POLLERS: Final[Mapping[Service, Callable[[FunctionPart], tuple[str, dict[str, Any]]]]] = {
    Service.SQS: sqs,
    Service.KINESIS: kinesis,
    Service.DYNAMODB: dynamodb,
    Service.KAFKA: kafka,
    Service.RABBITMQ: message_queue,
    Service.ACTIVEMQ: message_queue,
    Service.DOCUMENTDB: documentdb,
}
"""From one polled source of a function to the type and properties of its event."""


def _batch(part: FunctionPart, batch: BatchSettings, *, reports: bool) -> Properties:
    properties: Properties = {"BatchSize": batch.batch_size}
    window = batch.maximum_batching_window_seconds
    if window and not (window == BROKER_WINDOW_SECONDS and part.service in _BROKERS):
        properties["MaximumBatchingWindowInSeconds"] = part.whole_seconds("maximum_batching_window_seconds", window)
    if batch.filters:
        properties["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in batch.filters]}
    if reports and batch.report_batch_item_failures:
        properties["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
    return properties


def _start(mapping: StreamMapping) -> Properties:
    properties: Properties = {"StartingPosition": str(mapping.starting_position)}
    if mapping.starting_position == StartingPosition.AT_TIMESTAMP and mapping.starting_timestamp is not None:
        properties["StartingPositionTimestamp"] = math.floor(mapping.starting_timestamp.timestamp())
    return properties


def _stream(part: FunctionPart, *, keyed: bool = True) -> Properties:
    mapping = part.stream_mapping
    properties = {**_start(mapping), **_batch(part, mapping.batch, reports=True)}
    properties.update(_limits(part, mapping))
    if keyed and mapping.parallelization_factor > 1:
        properties["ParallelizationFactor"] = mapping.parallelization_factor
    if mapping.tumbling_window_seconds:
        properties["TumblingWindowInSeconds"] = mapping.tumbling_window_seconds
    if mapping.on_failure is not None:
        properties["DestinationConfig"] = {"OnFailure": _on_failure(part, mapping.on_failure)}
    return properties


def _limits(part: FunctionPart, mapping: StreamMapping) -> Iterator[tuple[str, Any]]:
    if mapping.bisect_batch_on_function_error:
        yield "BisectBatchOnFunctionError", True
    if mapping.maximum_retry_attempts != -1:
        yield "MaximumRetryAttempts", mapping.maximum_retry_attempts
    age = mapping.maximum_record_age_seconds
    if age != -1:
        yield "MaximumRecordAgeInSeconds", part.whole_seconds("maximum_record_age_seconds", age)


def _on_failure(part: FunctionPart, destination: Destination) -> Properties:
    if destination.service is Service.KAFKA:
        return {"Type": "Kafka", "Destination": f"kafka://{destination.name}"}
    target = part.role.allow_sending(destination, part.resources)
    return {"Type": _DESTINATION_TYPES[destination.service], "Destination": target}


def _needs_provisioned_pollers(mapping: StreamMapping) -> bool:
    """Source: Lambda guide: kafka-retry-configurations."""
    return (
        mapping.batch.report_batch_item_failures
        or mapping.bisect_batch_on_function_error
        or mapping.maximum_retry_attempts != -1
        or mapping.maximum_record_age_seconds != -1
    )


def _access(part: FunctionPart, authentication: str, *, own: bool) -> Properties:
    """How Lambda's pollers get to a Kafka cluster: by a secret, or by their network where nobody asks who they are."""
    kind = _KAFKA_SECRETS.get(authentication)
    if kind is not None:
        secret = part.resources.parameter("KafkaSecretArn", "ARN of the secret with the credentials for Kafka")
        part.role.allow("ReadSecrets", ("secretsmanager:GetSecretValue",), secret)
        return {"SourceAccessConfigurations": [{"Type": kind, "URI": secret}]}
    if not own:
        return {}
    part.role.allow_network()
    subnet = part.resources.parameter("KafkaSubnet", "A subnet of the Kafka cluster, as subnet:subnet-...")
    group = part.resources.parameter("KafkaSecurityGroup", "Its security group, as security_group:sg-...")
    access = [{"Type": "VPC_SUBNET", "URI": subnet}, {"Type": "VPC_SECURITY_GROUP", "URI": group}]
    return {"SourceAccessConfigurations": access}


def _read_msk(part: FunctionPart, cluster: Value, authentication: str) -> None:
    part.role.allow("ReadClusters", ("kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"), cluster)
    part.role.allow_network()
    if authentication == "msk-iam":
        actions = (
            "kafka-cluster:AlterGroup",
            "kafka-cluster:Connect",
            "kafka-cluster:DescribeClusterDynamicConfiguration",
            "kafka-cluster:DescribeGroup",
            "kafka-cluster:DescribeTopic",
            "kafka-cluster:ReadData",
        )
        part.role.allow(
            "ReadTopics", actions, "*", wildcard="topics and groups of Kafka have ARNs with a cluster's UUID"
        )


def _beyond_lambda(part: FunctionPart, is_set: bool, option: str) -> None:
    if is_set:
        part.remark(
            f"{option} is eventflow's own for {part.service}: Lambda has no such option, so it does nothing there"
        )
