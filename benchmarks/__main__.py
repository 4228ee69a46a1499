"""``python -m benchmarks [NAME...] [--rounds N] [--scale X]``."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Final

from benchmarks.measure import Effort

NAMES: Final = ("dispatch", "http", "durable", "sqs", "kinesis", "kafka", "rabbitmq", "aws_lambda", "startup")


def main() -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against peers, in one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every count and duration (default 1)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    effort = Effort(rounds=options.rounds, scale=options.scale)
    for name in options.names or NAMES:
        report = import_module(f"benchmarks.{name}").measure(effort)
        print("\n".join(report.lines()), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
