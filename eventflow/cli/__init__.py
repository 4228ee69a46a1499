"""The command line. Parsing, printing, exit codes, signals and logging set-up live here and nowhere else."""


def main() -> None:
    """What the ``eventflow`` script and ``python -m eventflow`` run."""
    import gc

    gc.disable()  # next to nothing that is loaded is garbage; what runs on enables it again
    from eventflow.cli.group import cli

    cli(prog_name="eventflow")
