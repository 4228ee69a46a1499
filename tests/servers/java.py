"""Java programs, started fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def command(
    directory: Path, main_class: str, *, settings: Mapping[str, str], options: Sequence[str] = (), heap: str = "256m"
) -> list[str]:
    """The command that runs a program whose jars are in ``directory/lib``, without the program's own arguments."""
    properties = [f"-D{name}={value}" for name, value in settings.items()]
    return [
        "java",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        *options,
        *properties,
        "-cp",
        f"{directory / 'lib'}/*",
        main_class,
    ]


def with_archive(directory: Path) -> list[str]:
    """Options that keep a program's loaded classes in a file: it then starts in a third of the time.

    The first run, which is part of the installation, writes the file when it ends; later ones read it.
    """
    archive = directory / "classes.jsa"
    return [f"-XX:{'SharedArchiveFile' if archive.exists() else 'ArchiveClassesAtExit'}={archive}"]
