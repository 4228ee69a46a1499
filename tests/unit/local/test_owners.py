from __future__ import annotations

from pathlib import Path

import pytest

from eventflow.errors import DataDirectoryError
from eventflow_local.owners import Owner


def test_an_owner_lives_until_it_closes(tmp_path: Path) -> None:
    one, two = Owner.open(tmp_path), Owner.open(tmp_path)
    assert one.is_alive(two.id)
    assert two.is_alive(one.id)
    one.close()
    one.close()
    assert not two.is_alive(one.id)
    two.close()
    assert not list(tmp_path.iterdir())


def test_an_owner_whose_lock_is_free_is_dead_and_its_file_goes(tmp_path: Path) -> None:
    (tmp_path / "1-abc.lock").touch()
    owner = Owner.open(tmp_path)
    assert not owner.is_alive("1-abc")
    assert not (tmp_path / "1-abc.lock").exists()
    owner.close()


def test_an_owner_without_a_file_is_dead(tmp_path: Path) -> None:
    owner = Owner.open(tmp_path)
    assert not owner.is_alive("1-abc")
    owner.close()


def test_claimants_differ_and_live_as_long_as_their_process(tmp_path: Path) -> None:
    one, two = Owner.open(tmp_path), Owner.open(tmp_path)
    first, second = one.claimant(), one.claimant()
    assert first != second
    assert one.is_mine(first)
    assert not two.is_mine(first)
    assert two.is_alive(first)
    one.close()
    assert not two.is_alive(first)
    two.close()


def test_in_memory_there_is_no_other_process() -> None:
    owner = Owner.open(None)
    assert owner.is_alive(owner.claimant())
    assert not owner.is_alive("1-abc")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryError, match="file/owners"):
        Owner.open(tmp_path / "file" / "owners")
