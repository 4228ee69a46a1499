"""Amazon DocumentDB and MongoDB: ``adapter = "mongodb"`` in an environment."""

from eventflow_mongodb.adapter import MongodbAdapter

__all__ = ["MongodbAdapter"]
