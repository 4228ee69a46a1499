"""PostgreSQL as the durable queue of asynchronous events, shared by any number of processes."""

from eventflow_postgresql.adapter import PostgresqlAdapter

__all__ = ["PostgresqlAdapter"]
