"""RabbitMQ, self-managed or Amazon MQ: ``adapter = "rabbitmq"`` in an environment."""

from eventflow_rabbitmq.adapter import RabbitMQAdapter

__all__ = ["RabbitMQAdapter"]
