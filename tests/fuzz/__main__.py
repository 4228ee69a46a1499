"""Fuzz for a while: ``python -m tests.fuzz http --minutes 10``."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.http import Count, fuzz, random_start

EXAMPLES = 500


def main() -> int:
    """Print what was tried; a failure ends with its smallest case and the seed that finds it again."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", choices=["http"])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, help="one round with this seed")
    arguments = parser.parse_args()
    count = Count()
    ends = time.monotonic() + arguments.minutes * 60
    rounds = 0
    while arguments.seed is not None or time.monotonic() < ends:
        start = random_start() if arguments.seed is None else arguments.seed
        rounds += 1
        try:
            fuzz(EXAMPLES, start=start, count=count)
        except Exception:
            print(f"seed {start}", file=sys.stderr)
            raise
        if arguments.seed is not None:
            break
    print(f"{'rounds':24} {rounds:>9,}\n{count}\n{'cases':24} {count.total:>9,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
