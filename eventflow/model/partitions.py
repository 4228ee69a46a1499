"""The partitions of AWS: groups of regions whose ARNs begin alike. Source: AWS General Reference: ARN format."""

from __future__ import annotations

from typing import Final

_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
}
"""By how the names of their regions begin; every other region is in ``aws``."""


def partition_of(region: str) -> str:
    """What the ARNs of a region begin with, after ``arn:``."""
    return next((partition for start, partition in _PARTITIONS.items() if region.startswith(start)), "aws")
