"""Every check of the project, in the order in which they fail fastest: ``python -m tests``.

Arguments go to pytest: ``python -m tests -k queue``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: list[list[Path | str]] = [
    [BIN / "ruff", "format", "--check", "."],
    [BIN / "ruff", "check", "."],
    [BIN / "lint-imports"],
    [BIN / "mypy"],
    [sys.executable, "-m", "pytest", "-n", "5", "--dist", "loadgroup"],
]
"""Five test processes, whatever the machine has: those that talk to servers mostly wait."""


def main() -> int:
    """Run every check; the exit code is that of the first that fails."""
    for check in CHECKS:
        command = [str(part) for part in check]
        if "pytest" in command:
            command += sys.argv[1:]
        print("$", " ".join([Path(command[0]).name, *command[1:]]), flush=True)
        code = subprocess.run(command, cwd=ROOT, env=_environment(), check=False).returncode
        if code:
            return code
    return 0


def _environment() -> dict[str, str]:
    """Bytecode is kept, whatever the machine says: hundreds of processes would compile everything anew."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


if __name__ == "__main__":
    sys.exit(main())
