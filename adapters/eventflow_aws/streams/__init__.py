"""Kinesis and DynamoDB Streams: shards, who reads them, and how far."""
