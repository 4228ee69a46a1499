from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.errors import InvalidMessageError, ResourceNotFoundError
from eventflow_local import logs, shards
from eventflow_local.schema import LOGS, SHARDS
from eventflow_local.shards import LAST_HASH, even_ranges, hash_key

LOG = "kinesis:orders"


@contextmanager
def log(count: int) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(LOGS + SHARDS)
        shards.ensure_shards(connection, LOG, count, now=0)
        yield connection


def put(connection: sqlite3.Connection, key: str) -> int:
    return shards.append(connection, LOG, hash_key(key), now=0, oldest=-1, key=key)


def assert_every_hash_key_has_one_shard(connection: sqlite3.Connection) -> None:
    expected = 0
    for shard in shards.open_shards(connection, LOG):
        assert shard.first_hash == expected
        expected = shard.last_hash + 1
    assert expected == LAST_HASH + 1


@given(count=st.integers(1, 1_000))
def test_ranges_cover_every_hash_key_once_and_evenly(count: int) -> None:
    ranges = even_ranges(count)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == LAST_HASH
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(ranges))
    sizes = {last - first for first, last in ranges}
    assert max(sizes) - min(sizes) <= 1


def test_hash_keys_are_md5() -> None:
    assert hash_key("key") == 0x3C6E0B8A9C15224A8228B9A98CA1531D


Step = tuple[str, int]


@given(
    count=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(["put", "split", "merge"]), st.integers(0, 20)), max_size=30),
)
def test_resharding_keeps_the_order_of_every_key(count: int, steps: list[Step]) -> None:
    """Whoever reads a shard only after its parents sees the records of a key in the order they were put."""
    with log(count) as connection:
        sent: dict[str, list[int]] = {}
        for action, number in steps:
            open_now = shards.open_shards(connection, LOG)
            shard = open_now[number % len(open_now)]
            if action == "put":
                sent.setdefault(f"key-{number}", []).append(put(connection, f"key-{number}"))
            elif action == "split" and len(open_now) < 12:
                shards.split(connection, LOG, shard.name, now=1)
            elif action == "merge" and shard is not open_now[-1]:
                neighbour = open_now[number % len(open_now) + 1]
                shards.merge(connection, LOG, neighbour.name, shard.name, now=1)
            assert_every_hash_key_has_one_shard(connection)
        assert read_parents_first(connection) == sent


def read_parents_first(connection: sqlite3.Connection) -> dict[str, list[int]]:
    seen: dict[str, list[int]] = {}
    done: set[str] = set()
    parts = logs.partitions(connection, LOG)
    while len(done) < len(parts):
        part = next(part for part in reversed(parts) if part.name not in done and done >= set(part.parents))
        for row in logs.fetch(connection, part.id, after=-1, limit=1_000, oldest=-1):
            seen.setdefault(str(row.key), []).append(row.position)
        done.add(part.name)
    return seen


def test_positions_grow_over_all_shards() -> None:
    with log(4) as connection:
        positions = [put(connection, f"key-{number}") for number in range(20)]
        [first, *_] = shards.open_shards(connection, LOG)
        shards.split(connection, LOG, first.name, now=1)
        positions += [put(connection, f"key-{number}") for number in range(20)]
        assert positions == sorted(set(positions))


def test_positions_grow_even_when_the_shards_that_had_the_highest_are_gone() -> None:
    with log(1) as connection:
        before = put(connection, "a")
        shards.split(connection, LOG, "shardId-000000000000", now=1)
        logs.trim(connection, LOG, oldest=2)
        assert "shardId-000000000000" not in {part.name for part in logs.partitions(connection, LOG)}
        assert put(connection, "a") > before


def test_a_split_names_its_parent_and_closes_it() -> None:
    with log(1) as connection:
        lower, upper = shards.split(connection, LOG, "shardId-000000000000", now=1, at=5)
        assert [(shard.name, shard.first_hash) for shard in shards.open_shards(connection, LOG)] == [
            (lower, 0),
            (upper, 5),
        ]
        assert [part.parents for part in logs.partitions(connection, LOG)] == [(), *[("shardId-000000000000",)] * 2]


def test_asking_for_more_shards_splits_and_for_fewer_changes_nothing() -> None:
    with log(1) as connection:
        assert len(shards.ensure_shards(connection, LOG, 4, now=1)) == 4
        assert_every_hash_key_has_one_shard(connection)
        assert len(shards.ensure_shards(connection, LOG, 2, now=1)) == 4


@pytest.mark.parametrize("at", [0, LAST_HASH + 1])
def test_a_shard_is_split_inside_its_range_only(at: int) -> None:
    with log(1) as connection, pytest.raises(InvalidMessageError, match="cannot be split"):
        shards.split(connection, LOG, "shardId-000000000000", now=1, at=at)


def test_only_neighbours_merge() -> None:
    with log(3) as connection, pytest.raises(InvalidMessageError, match="not neighbours"):
        shards.merge(connection, LOG, "shardId-000000000000", "shardId-000000000002", now=1)


def test_a_closed_shard_cannot_be_split_again() -> None:
    with log(1) as connection:
        shards.split(connection, LOG, "shardId-000000000000", now=1)
        with pytest.raises(ResourceNotFoundError, match="no open shard"):
            shards.split(connection, LOG, "shardId-000000000000", now=1)
