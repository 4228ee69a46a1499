"""``eventflow send``: put messages, files and records where an app takes its events from.

It opens only the adapter that serves the resource; the app may run in another terminal, or not yet.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack

import click

from eventflow.cli.command_names import NamedCommands
from eventflow.cli.embedded import MEMORY, data_of
from eventflow.cli.options import environment_option, load_named_environment, quiet_log_level_option
from eventflow.cli.output import counted
from eventflow.errors import ConfigurationError, Problem
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.message_queues import MqEngine

if TYPE_CHECKING:
    from eventflow.plan.environment import Environment

Command = TypeVar("Command", bound=Callable[..., Any])

STDIN: Final = "-"


class _Pair(click.ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not name=value", param, ctx)
        return name, text


class _Common(TypedDict):
    """What every subcommand but ``s3`` takes."""

    name: str
    data: tuple[str, ...]
    lines: bool
    env: str | None
    log_level: str


def _message_options(name: str) -> Callable[[Command], Command]:
    """The options of a subcommand whose resource is called ``name`` in its help."""

    def decorate(command: Command) -> Command:
        for option in (
            quiet_log_level_option,
            environment_option,
            click.option("--lines", is_flag=True, help="Send every line of DATA as a message of its own."),
            click.argument("data", nargs=-1, required=True),
            click.argument("name", metavar=name),
        ):
            command = option(command)
        return command

    return decorate


@click.group(
    cls=NamedCommands,
    context_settings={"auto_envvar_prefix": "EVENTFLOW_SEND"},
    short_help="Send events to a source.",
)
@environment_option
def send(*, env: str | None) -> None:
    """Send messages, files, records or items to a source of events.

    Every DATA is one message; - reads it from standard input.
    """


@send.command()
@click.option("--attribute", type=_Pair(), multiple=True, help="A message attribute. Repeatable.")
@click.option("--group-id", help="The message group, which a FIFO queue keeps in order.")
@click.option("--deduplication-id", help="A FIFO queue takes a message with this id once in five minutes.")
@click.option("--delay", type=click.FloatRange(0, 900), default=0, metavar="SECONDS", help="When it can be received.")
@_message_options("QUEUE")
def sqs(
    *,
    attribute: tuple[tuple[str, str], ...],
    group_id: str | None,
    deduplication_id: str | None,
    delay: float,
    **common: Unpack[_Common],
) -> None:
    """Send messages to a queue."""
    _send_messages(
        Service.SQS,
        common,
        attributes=dict(attribute),
        group_id=group_id,
        deduplication_id=deduplication_id,
        delay_seconds=delay,
    )


@send.command()
@click.option("--subject", help="The message's subject.")
@click.option("--attribute", type=_Pair(), multiple=True, help="A message attribute. Repeatable.")
@_message_options("TOPIC")
def sns(*, subject: str | None, attribute: tuple[tuple[str, str], ...], **common: Unpack[_Common]) -> None:
    """Publish messages to a topic."""
    _send_messages(Service.SNS, common, subject=subject, attributes=dict(attribute))


@send.command()
@click.option("--source", required=True, help="Who the event is from, such as com.example.shop.")
@click.option("--detail-type", required=True, help="What kind of event it is.")
@click.option("--resource", multiple=True, help="An ARN that the event is about. Repeatable.")
@_message_options("BUS")
def eventbridge(*, source: str, detail_type: str, resource: tuple[str, ...], **common: Unpack[_Common]) -> None:
    """Put events on a bus. DATA is the event's detail, a JSON object."""
    _send_messages(Service.EVENTBRIDGE, common, source=source, detail_type=detail_type, resources=resource)


@send.command()
@click.option("--key", required=True, help="The partition key; records of one key stay in order.")
@_message_options("STREAM")
def kinesis(*, key: str, **common: Unpack[_Common]) -> None:
    """Put records into a data stream."""
    _send_messages(Service.KINESIS, common, key=key)


@send.command()
@click.option("--delete", is_flag=True, help="DATA is the key of an item to delete.")
@_message_options("TABLE")
def dynamodb(*, delete: bool, **common: Unpack[_Common]) -> None:
    """Put items into a table, or delete some. DATA is the item, a plain JSON object."""
    _send_messages(Service.DYNAMODB, common, attributes={"operation": "delete" if delete else "put"})


@send.command()
@click.option("--key", help="The record key; records of one key stay in order.")
@click.option("--header", type=_Pair(), multiple=True, help="A record header. Repeatable.")
@_message_options("TOPIC")
def kafka(*, key: str | None, header: tuple[tuple[str, str], ...], **common: Unpack[_Common]) -> None:
    """Produce records to a Kafka topic."""
    _send_messages(Service.KAFKA, common, key=key, attributes=dict(header))


@send.command()
@click.option(
    "--engine", type=click.Choice([engine.value for engine in MqEngine]), required=True, help="Which broker it is."
)
@click.option("--attribute", type=_Pair(), multiple=True, help="A header or property. Repeatable.")
@click.option("--correlation-id", help="The message's correlation id.")
@click.option("--delay", type=click.FloatRange(0), default=0, metavar="SECONDS", help="When it can be received.")
@_message_options("QUEUE")
def mq(
    *,
    engine: str,
    attribute: tuple[tuple[str, str], ...],
    correlation_id: str | None,
    delay: float,
    **common: Unpack[_Common],
) -> None:
    """Send messages to a queue of a message broker. QUEUE::VIRTUAL_HOST is a queue on another virtual host than /."""
    own = {"correlation_id": correlation_id} if correlation_id else {}
    _send_messages(MqEngine(engine).service, common, attributes=dict(attribute) | own, delay_seconds=delay)


@send.command()
@click.option(
    "--operation",
    type=click.Choice(["insert", "replace", "update", "delete"]),
    default="insert",
    help="What to do with each document.",
)
@_message_options("DATABASE.COLLECTION")
def documentdb(*, operation: str, **common: Unpack[_Common]) -> None:
    """Change documents of a collection. DATA is a document, a JSON object; an update has its _id and what to set."""
    _send_messages(Service.DOCUMENTDB, common, attributes={"operation": operation})


@send.command()
@click.argument("name", metavar="BUCKET")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--key", help="The object's key instead of the file's name.")
@environment_option
@quiet_log_level_option
def s3(*, name: str, files: tuple[str, ...], key: str | None, env: str | None, log_level: str) -> None:
    """Put files into a bucket. - reads standard input."""
    if key and len(files) > 1:
        raise click.UsageError("--key names one object: send one file at a time")
    if STDIN in files and not key:
        raise click.UsageError("standard input has no name: give the object a --key")
    messages = [OutboundMessage(body=_file_body(file), key=key or Path(file).name) for file in files]
    _send(Destination(Service.S3, name), messages, env=env)


def _send_messages(service: Service, common: _Common, **fields: Any) -> None:
    """Send every DATA; ``fields`` are those of OutboundMessage."""
    messages = [OutboundMessage(body=body, **fields) for body in bodies(common["data"], lines=common["lines"])]
    _send(Destination(service, common["name"]), messages, env=common["env"])


def bodies(data: Iterable[str], *, lines: bool) -> list[bytes]:
    """The messages that DATA stands for. Empty lines are none."""
    texts = [_stdin() if item == STDIN else item.encode() for item in data]
    if not lines:
        return texts
    return [line for text in texts for line in text.splitlines() if line.strip()]


def _file_body(file: str) -> bytes:
    if file == STDIN:
        return _stdin()
    try:
        return Path(file).read_bytes()
    except OSError as exc:
        raise click.UsageError(f"cannot read {file}: {exc.strerror}") from exc


def _stdin() -> bytes:
    return sys.stdin.buffer.read()


def _send(destination: Destination, messages: list[OutboundMessage], *, env: str | None) -> None:
    from eventflow.cli.event_loop import run_async

    group = click.get_current_context().parent
    environment = load_named_environment(env or (group.params["env"] if group else None))
    refuse_memory(environment)
    unfamiliar = run_async(_send_all, environment, destination, messages)
    click.echo(f"sent {counted(len(messages), 'message')} to {destination}")
    if unfamiliar:
        click.echo(f"{click.style('note:', fg='yellow', bold=True)} {unfamiliar}", err=True)


def refuse_memory(environment: Environment) -> None:
    """Raise ConfigurationError for an environment whose state ends with the process."""
    if data_of(environment) == MEMORY:
        where = f"environment {environment.name!r}"
        hint = 'give it a directory: data = ".eventflow"'
        raise ConfigurationError([Problem(where=where, message="keeps everything in the memory of a run", hint=hint)])


async def _send_all(environment: Environment, destination: Destination, messages: list[OutboundMessage]) -> str | None:
    """Send them; what there is to say about the destination's name."""
    from eventflow.cli.unfamiliar import note
    from eventflow.run.adapters import Adapters
    from eventflow.run.runner import SystemClock

    async with Adapters(environment, clock=SystemClock()) as adapters:
        adapter = await adapters.serving(destination.service)
        unfamiliar = await note(adapter, environment, destination)
        sink = await adapter.sink(destination)
        try:
            for message in messages:
                await sink.send(message)
        finally:
            await sink.aclose()
    return unfamiliar
