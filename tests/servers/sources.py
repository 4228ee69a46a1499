"""The registries that servers come from."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>eventflow</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <dependencies>
    {dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def from_pypi(directory: Path, requirements: Sequence[str], *, constraints: Path) -> None:
    """Make ``directory/venv`` and install the requirements into it, in the versions that were tried.

    Little of it is ever run, so nothing is compiled before it is.
    """
    run([sys.executable, "-m", "venv", str(directory / "venv")])
    pip = [str(directory / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--no-compile", "--constraint", str(constraints), *requirements])


def from_debian(package: str) -> None:
    """Install a package of the operating system, which only root can.

    Raises:
        RuntimeError: somebody else has to.
    """
    if os.geteuid() != 0:
        raise RuntimeError(f"only root can install what is missing: apt-get install {package}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with one_at_a_time("apt"):
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], environment=environment)


def from_maven(directory: Path, *artifacts: str) -> None:
    """Copy artifacts, each ``group:name:version``, and what they need at run time to ``directory/lib``."""
    _need("mvn", package="maven")
    pom = directory / "pom.xml"
    dependencies = "\n    ".join(_DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
    pom.write_text(_POM.format(dependencies=dependencies))
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={directory / 'lib'}"]
    with one_at_a_time("maven"):  # its local repository is not made for several
        run(["mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", "--file", pom, *goal])


def from_npm(directory: Path, package: str) -> None:
    """Install a package to ``directory/node_modules``. No package's own install script runs."""
    _need("npm", package="npm")
    run(["npm", "install", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund", "--silent", package])


def from_go(directory: Path, package: str, version: str) -> None:
    """Build a program to ``directory/bin``. What Go keeps of its sources stays in its own cache."""
    _need("go", package="golang-go")
    run(["go", "install", f"{package}@{version}"], environment={**os.environ, "GOBIN": str(directory / "bin")})


def from_java_source(source: Path, *, libraries: Path) -> None:
    """Compile one file against the jars of a directory, and add it to them."""
    _need("javac", package="default-jdk-headless")
    with tempfile.TemporaryDirectory() as classes:
        run(["javac", "-cp", f"{libraries}/*", "-d", classes, source])
        run(["jar", "--create", "--file", libraries / f"{source.stem}.jar", "-C", classes, "."])


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> None:
    """Run one step of an installation, with its output on this terminal.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run([str(part) for part in command], check=True, env=environment)


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait for other installations that are at the same thing."""
    with (Path(tempfile.gettempdir()) / f"eventflow-{what}-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _need(program: str, *, package: str) -> None:
    if shutil.which(program) is None:
        from_debian(package)
