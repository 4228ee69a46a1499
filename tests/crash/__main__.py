"""Kill the server under load and count what is left."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.crash.harness import Crashes


def main() -> int:
    """Print the count; the exit code is 1 if anything is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="kept; a temporary one otherwise")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        count = Crashes(directory, seed=arguments.seed).run(arguments.rounds)
    print(f"rounds    {arguments.rounds} (seed {arguments.seed})")
    print(f"accepted  {count.accepted}")
    print(f"handled   {count.handled}, and {count.repeated} times more than once")
    print(f"missing   {len(count.missing)} {count.missing_by_kind() or ''}")
    return 1 if count.missing else 0


if __name__ == "__main__":
    sys.exit(main())
