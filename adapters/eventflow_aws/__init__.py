"""AWS itself, or anything that speaks its API: the same ports as the embedded environment, on aiobotocore."""

from eventflow_aws.adapter import AwsAdapter

__all__ = ["AwsAdapter"]
