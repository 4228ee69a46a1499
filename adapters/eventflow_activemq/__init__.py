"""ActiveMQ Classic, self-managed or Amazon MQ, over AMQP 1.0: ``adapter = "activemq"`` in an environment."""

from eventflow_activemq.adapter import ActiveMQAdapter

__all__ = ["ActiveMQAdapter"]
