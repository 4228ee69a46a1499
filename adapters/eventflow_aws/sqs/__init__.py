"""SQS: queues as sources, destinations and event queues."""
