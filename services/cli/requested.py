"""Printing what became of a request to the forwarder."""

from collections.abc import Mapping
from typing import Any

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
        typer.echo(f"{kind}: job {result['job']}, {_counted(result)}")


def _counted(result: Mapping[str, Any]) -> str:
    for many, one in (("instances", "instance"), ("deliveries", "delivery")):
        if many in result:
            return f"{result[many]} {one if result[many] == 1 else many}"
    return "done"
