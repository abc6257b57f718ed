"""Printing what became of a request to the forwarder."""

import typer

from services.admin.requests import Requested
from services.cli.output import print_json


def print_requested(kind: str, requested: Requested, as_json: bool) -> None:
    """The job it is about; or that it waits, which is no failure: the forwarder does it when it is back."""
    result = requested.result
    if as_json:
        print_json({"request": requested.id, "done": result is not None, **(result or {})})
    elif result is None:
        typer.echo(f"{kind} {requested.id} is queued: the forwarder did not answer yet and will do it when it runs")
    else:
        counted = next((f"{result[name]} {name}" for name in ("instances", "deliveries") if name in result), "done")
        typer.echo(f"{kind}: job {result['job']}, {counted}")
