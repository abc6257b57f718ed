"""The command ``gateway``: each command parses, calls one use case and prints (exit status: ``services.cli.exits``)."""

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from services.cli import exits
from services.runtime import fail_points, logs
from services.runtime.errors import GatewayError

COMMANDS = {
    "run": "processes",
    "up": "processes",
    "migrate": "database",
    "roles": "database",
    "broker-definitions": "broker",
    "check": "check",
    "station": "station",
    "title": "title",
    "rules": "rules",
    "holds": "holds",
    "send": "send",
    "query": "query",
    "retrieve": "retrieve",
    "jobs": "jobs",
    "commitments": "commitments",
    "studies": "studies",
    "patients": "patients",
    "where": "where",
    "status": "status",
    "dead": "dead",
    "audit": "audit",
    "user": "user",
    "notices": "notices",
    "import": "importing",
    "reconcile": "reconcile",
    "backup": "backup",
    "restore": "backup",
    "conformance-statement": "conformance_statement",
}
"""Which module of this package holds a command. Only the one that is asked for is imported: commands start at once."""


def command_line(word: str | None) -> typer.Typer:
    """The command line with the command ``word``, or with all of them when it is none."""
    app = typer.Typer(
        name="gateway",
        help="Event-driven DICOM routing gateway. Exit status: 0 done, 1 failed, 2 usage, 3 not reachable.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_global_options)  # keeps the commands' names too, even where only one is there
    for module in dict.fromkeys([COMMANDS[word]] if word in COMMANDS else COMMANDS.values()):
        importlib.import_module(f"services.cli.{module}").register(app)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # imported here: no other command needs it

        typer.echo(f"gateway {version('dicom-gateway')}")
        raise typer.Exit


def _global_options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """What may stand before a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script: run one command and return its exit status; no error shows a traceback."""
    logs.configure("cli", "critical")  # what a command has to say goes out as its answer or its error
    _escape_what_the_terminal_cannot_show()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        fail_points.arm(os.environ.get(fail_points.VARIABLE))
        command_line(given[0] if given else None)(given, prog_name="gateway")
    except SystemExit as end:
        return _flushed(end.code if isinstance(end.code, int) else exits.FAILED)
    except GatewayError as error:
        typer.echo(f"Error: {error}", err=True)
        return exits.status_of(error)
    return exits.DONE


def _escape_what_the_terminal_cannot_show() -> None:
    """Names come in every alphabet; a terminal that is not UTF-8 gets the rest as escapes instead of a failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flushed(status: int) -> int:
    """The status, after what was printed has gone out; a reader that went away (``| head``) is no failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
