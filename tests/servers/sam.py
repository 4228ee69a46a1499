"""AWS SAM's command line, with cfn-lint: what templates are checked with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.servers.sources import from_pypi

VERSION: Final = "1.170.0"
LINTER: Final = "1.58.0"
CONSTRAINTS: Final = Path(__file__).with_name("sam_constraints.txt")
"""What it was tried with. It pins much of this itself, which is why it has an environment of its own."""


def install(directory: Path, /) -> None:
    from_pypi(directory, [f"aws-sam-cli=={VERSION}", f"cfn-lint=={LINTER}"], constraints=CONSTRAINTS)


def program(directory: Path, /) -> Path:
    return directory / "venv" / "bin" / "sam"


def linter(directory: Path, /) -> Path:
    return directory / "venv" / "bin" / "cfn-lint"


def validation(directory: Path, /, *templates: Path) -> list[str | Path]:
    """The command that is ``sam validate --lint`` for each of these, and starts once."""
    code = """
import sys
from samcli.cli.main import cli
for file in sys.argv[1:]:
    cli(["validate", "--lint", "--region", "eu-west-1", "--template", file], "sam", standalone_mode=False)
"""
    return [directory / "venv" / "bin" / "python", "-c", code, *templates]
