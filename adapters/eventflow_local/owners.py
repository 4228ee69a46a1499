"""Which processes are alive, so that the claims of a dead one are free at once."""

from __future__ import annotations

import fcntl
import itertools
import os
import secrets
from typing import TYPE_CHECKING

from eventflow.errors import DataDirectoryError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO


class Owner:
    """This process as the owner of claims, and the judge of other owners.

    Every owner holds a lock on ``<directory>/<id>.lock``. The operating system takes the lock back when the
    process ends, however it ends, so an owner whose lock can be taken is dead. Without a directory (memory)
    this is the only owner there can be.
    """

    def __init__(self, identifier: str, directory: Path | None, lock: IO[bytes] | None) -> None:
        self.id = identifier
        self._directory = directory
        self._lock = lock
        self._claimants = itertools.count(1)

    @classmethod
    def open(cls, directory: Path | None) -> Owner:
        """Take a lock of our own. Raises DataDirectoryError if the directory cannot be written."""
        identifier = f"{os.getpid()}-{secrets.token_hex(4)}"
        if directory is None:
            return cls(identifier, None, None)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            return cls(identifier, directory, _locked(directory / f"{identifier}.lock"))
        except OSError as error:
            raise DataDirectoryError(
                str(directory), f"cannot be written ({error.strerror}); make it writable"
            ) from error

    def claimant(self) -> str:
        """An id of its own for a part of this process. It lives as long as the process."""
        return f"{self.id}#{next(self._claimants)}"

    def is_mine(self, claimant: str) -> bool:
        """Whether an owner's or claimant's id is this process's."""
        return claimant.partition("#")[0] == self.id

    def is_alive(self, owner: str) -> bool:
        """Whether the process behind an owner's or claimant's id still runs. Quick, but reads the disk."""
        if self.is_mine(owner):
            return True
        if self._directory is None:
            return False
        path = self._directory / f"{owner.partition('#')[0]}.lock"
        try:
            with path.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        """Give up the lock; from now on our claims count as given up. Idempotent."""
        if self._lock is not None and self._directory is not None:
            (self._directory / f"{self.id}.lock").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def _locked(path: Path) -> IO[bytes]:
    """A new file, locked before it has its name: nobody can find it unlocked while we live."""
    draft = path.with_suffix(".new")
    lock = draft.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft.rename(path)
    except BaseException:
        lock.close()
        raise
    return lock
