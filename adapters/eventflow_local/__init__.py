"""The embedded environment: durable local fakes of every service, behind the same ports as the real ones."""

from eventflow_local.adapter import LocalAdapter

__all__ = ["LocalAdapter"]
