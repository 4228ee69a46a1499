"""``eventflow generate-event``: sample events to invoke functions with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from eventflow.cli.output import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventflow.testing.events import EventFactory

_HELP: Final = {"-h", "--help"}
"""Asked for after the names, where click hands on what it does not know."""


@click.command(
    "generate-event",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="Print a sample event.",
)
@click.argument("source", required=False)
@click.argument("event", required=False)
@click.argument("fields", nargs=-1, type=click.UNPROCESSED, metavar="[--FIELD VALUE]...")
def generate_event(*, source: str | None, event: str | None, fields: tuple[str, ...]) -> None:
    """Print an EVENT of SOURCE as a function receives it.

    Without arguments, or with a SOURCE alone, it lists the events there are and the fields that can be set.
    """
    from eventflow.testing.events import EVENT_FACTORIES

    if source is not None and source not in {known for known, _ in EVENT_FACTORIES}:
        raise click.UsageError(f"there is no source {source}\n\n{_listing(None)}")
    if source is None or event is None or event in _HELP:
        click.echo(_listing(source))
        return
    factory = EVENT_FACTORIES.get((source, event))
    if factory is None:
        raise click.UsageError(f"there is no event {source} {event}\n\n{_listing(source)}")
    if _HELP & set(fields):
        click.echo(_help(factory))
        return
    click.echo(_json(factory, dict(_values(fields, factory))))


def _json(factory: EventFactory, values: dict[str, str | int]) -> str:
    import json

    try:
        made = factory.make(**values)
    except (TypeError, ValueError) as exc:
        raise click.UsageError(str(exc)) from exc
    return json.dumps(made.to_wire(), indent=2, ensure_ascii=False)


def _values(fields: Sequence[str], factory: EventFactory) -> Iterator[tuple[str, str | int]]:
    """``--field value`` and ``--field=value``, each value of its default's type."""
    remaining = iter(fields)
    for text in remaining:
        flag, equals, value = text.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name not in factory.fields:
            raise click.UsageError(f"{flag!r} is not a field of this event: {_flags(factory)}")
        found = value if equals else next(remaining, None)
        if found is None:
            raise click.UsageError(f"{flag} needs a value")
        if isinstance(factory.fields[name], int):
            if not found.isdecimal():
                raise click.UsageError(f"{flag} is a whole number, not {found!r}")
            yield name, int(found)
        else:
            yield name, found


def _flags(factory: EventFactory) -> str:
    return " ".join(map(_flag, factory.fields))


def _help(factory: EventFactory) -> str:
    rows = [(_flag(name), str(default)) for name, default in factory.fields.items()]
    return f"{factory.description}. Fields and their defaults:\n\n{table(None, rows, indent=2)}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _listing(source: str | None) -> str:
    """Every event of a source, or of all."""
    from eventflow.testing.events import EVENT_FACTORIES

    rows = [
        (known, event, _flags(factory), factory.description)
        for (known, event), factory in EVENT_FACTORIES.items()
        if source in (None, known)
    ]
    return table(("source", "event", "fields", ""), rows)
