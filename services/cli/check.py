"""``gateway check``."""

import asyncio
from dataclasses import asdict

import typer

from services.cli import exits
from services.cli.output import Json, print_json, print_table
from services.cli.session import place
from services.runtime.settings import RuntimeSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(as_json: Json = False) -> None:
    """Verify settings, object store, database, schema, broker and topology; changes nothing but a missing topology."""
    # Imported here: only this command and the services need the broker's client.
    from services.admin.verification import verify

    findings = asyncio.run(verify(RuntimeSettings.load(), place))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(("CHECK", "STATE", "FOUND"), [(f.name, f.state, f.text) for f in findings])
    states = {finding.state for finding in findings}
    status = exits.FAILED if "failed" in states else exits.NOT_REACHABLE if "not reachable" in states else exits.DONE
    raise typer.Exit(status)
