"""Printing what became of a request."""

from collections.abc import Mapping
from typing import Any

import typer

from services.admin.requests import CARRIED_OUT_BY, Kind, Requested, given_up
from services.cli.output import print_json


def print_requested(kind: Kind, requested: Requested, as_json: bool) -> None:
    """What was done; or that it waits, which is no failure: the service it is for does it when it is back."""
    result = requested.result
    if as_json:
        print_json({"request": requested.id, "done": result is not None, **(result or {})})
    elif result is None:
        service = CARRIED_OUT_BY[kind]
        typer.echo(f"{kind} {requested.id} is queued: {service} did not answer yet and will do it when it runs")
    else:
        about = next((f"{what} {result[what]}, " for what in ("job", "commitment") if what in result), "")
        typer.echo(f"{kind}: {about}{_counted(result)}{_routed(result)}{given_up(result)}")
        for reason in result.get("refused", ()):
            typer.echo(reason, err=True)


def _routed(result: Mapping[str, Any]) -> str:
    """What rules made of it, where they were asked."""
    if "rule_set" not in result:
        return ""
    return (
        f" by rule set {result['rule_set']}: {result['deliveries']} to send, {result['unmatched']} matched by no rule"
    )


def _counted(result: Mapping[str, Any]) -> str:
    for many, one in (("instances", "instance"), ("deliveries", "delivery"), ("requests", "request")):
        if many in result:
            return f"{result[many]} {one if result[many] == 1 else many}"
    return "done"
