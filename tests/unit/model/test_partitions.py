"""ARNs begin with the partition of their region, wherever they are made."""

from __future__ import annotations

import json
from pathlib import Path

import botocore
import pytest

from eventflow.model.partitions import partition_of


def known_regions() -> list[tuple[str, str]]:
    table = json.loads((Path(botocore.__file__).parent / "data/partitions.json").read_text())
    return [
        (region, partition["id"])
        for partition in table["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    ]


@pytest.mark.parametrize(("region", "partition"), known_regions())
def test_every_region_that_aws_sdk_knows_is_in_its_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition


def test_a_region_that_nobody_knows_is_in_the_public_partition() -> None:
    assert partition_of("local") == "aws"
