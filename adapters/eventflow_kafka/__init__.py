"""Apache Kafka, self-managed or Amazon MSK: ``adapter = "kafka"`` in an environment."""

from eventflow_kafka.adapter import KafkaAdapter

__all__ = ["KafkaAdapter"]
