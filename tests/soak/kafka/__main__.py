"""Handle keyed records while members of the groups come, go and are killed, and the broker too; count what is left."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.kafka.harness import Soak


def main() -> int:
    """Print the count; the exit code is 1 if a record is missing or out of order."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kafka", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--keys", type=int, default=2_000)
    parser.add_argument("--directory", type=Path, help="kept; a temporary one otherwise")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        soak = Soak(directory, records=arguments.records, partitions=arguments.partitions, keys=arguments.keys)
        counts = soak.run(report=lambda what: print(what, file=sys.stderr, flush=True))
        failures = soak.failures()
    print(f"records  {arguments.records:,} of {arguments.keys:,} keys in {arguments.partitions} partitions")
    print(f"failures {failures:,} invocations, at random")
    for name, count in counts.items():
        print(f"{name:8} {count}")
    return 0 if all(count.is_right for count in counts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
