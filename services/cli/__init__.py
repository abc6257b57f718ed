"""The command ``gateway``: each command parses, calls one use case and prints (exit status: ``services.cli.exits``)."""

import os
import sys
from collections.abc import Sequence

import typer

from services.cli import check, database, dead, exits, jobs, processes, rules, send, station, status, studies, where
from services.runtime import logs
from services.runtime.errors import GatewayError

app = typer.Typer(
    name="gateway",
    help="Event-driven DICOM routing gateway. Exit status: 0 done, 1 failed, 2 usage, 3 not reachable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (processes, database, check, send, where, status):
    command.register(app)
for noun, commands in {
    "station": station.app,
    "rules": rules.app,
    "jobs": jobs.app,
    "studies": studies.app,
    "dead": dead.app,
}.items():
    app.add_typer(commands, name=noun)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script: run one command and return its exit status; no error shows a traceback."""
    logs.configure("cli", "critical")  # what a command has to say goes out as its answer or its error
    try:
        app(arguments, prog_name="gateway")
    except SystemExit as end:
        return _flushed(end.code if isinstance(end.code, int) else exits.FAILED)
    except GatewayError as error:
        typer.echo(f"Error: {error}", err=True)
        return exits.status_of(error)
    return exits.DONE


def _flushed(status: int) -> int:
    """The status, after what was printed has gone out; a reader that went away (``| head``) is no failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
