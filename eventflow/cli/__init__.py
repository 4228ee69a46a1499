"""The command line. Parsing, printing, exit codes, signals and logging set-up live here and nowhere else."""


def main() -> None:
    """What the ``eventflow`` script and ``python -m eventflow`` run."""
    from eventflow.cli.group import cli

    cli(prog_name="eventflow")
