"""``gateway commitments``: storage commitment, what we asked for and what we were asked for."""

from typing import Annotated, Any, Final
from uuid import UUID

import typer

from services.cli.output import Json, Limit, print_fields, print_json, print_table
from services.cli.session import actor, with_database

app = typer.Typer(help="Storage commitment: list, show, retry, cancel.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="commitments")


def _commitment_id(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text[:64]!r} is no id of a commitment; 'gateway commitments list' shows the ids"
        ) from None


Commitment = Annotated[UUID, typer.Argument(metavar="COMMITMENT", parser=_commitment_id, help="Id of a commitment.")]
ASKED: Final = (
    "id", "study", "destination", "server", "state", "total", "committed", "failed", "pending", "deadline",
    "created_at", "finished_at", "reason",
)  # fmt: skip
RECEIVED: Final = (
    "id", "from", "transaction", "state", "total", "committed", "failed", "received_at", "reported_at", "reason",
)  # fmt: skip
DETAILS: Final = {
    "attempts": ("transaction", "at", "outcome", "status", "meaning", "reason"),
    "instances": ("instance", "revision", "state", "failure_reason", "failure", "reported_at"),
    "reports": ("received_at", "from", "transaction", "committed", "failed", "verdict", "remark"),
    "history": ("at", "instance", "revision", "server", "transaction"),
}
"""What ``show`` prints below the fields, a table each."""


@app.command("list")
def list_commitments(
    state: Annotated[str | None, typer.Option(help="Only in this state, such as WAITING, FAILURE, REPORTED.")] = None,
    station: Annotated[
        str | None, typer.Option(help="Only of this destination or commit server; with --received, of this peer.")
    ] = None,
    study: Annotated[str | None, typer.Option(metavar="UID", help="Only of this study.")] = None,
    received: Annotated[bool, typer.Option("--received", help="What peers asked us to commit.")] = False,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """The newest commitments."""
    from services.admin import commitments  # imported here: names of statuses come with it, and so pynetdicom

    asked = commitments.list_received if received else commitments.list_commitments
    rows = with_database(lambda database: asked(database, state, station, study, limit))
    if as_json:
        print_json(rows)
    else:
        _print_rows(RECEIVED if received else ASKED, rows)


@app.command("show")
def show(commitment: Commitment, limit: Limit = 1000, as_json: Json = False) -> None:
    """A commitment with its requests, instances and reports; or what a peer asked us to commit."""
    from services.admin import commitments  # imported here: names of statuses come with it, and so pynetdicom

    found = with_database(lambda database: commitments.show(database, commitment, limit))
    if as_json:
        print_json(found)
        return
    # What a peer asked for has a count of attempts where ours has their list.
    lists = {name for name in DETAILS if isinstance(found.get(name), list)}
    print_fields({name: value for name, value in found.items() if name not in (*lists, "hint")})
    if found.get("hint"):
        typer.echo(f"hint: {found['hint']}")
    for name, columns in DETAILS.items():
        if name in lists and found[name]:
            known = tuple(column for column in columns if column in found[name][0])
            _print_rows(known, found[name], name)


@app.command("retry")
def retry(commitment: Commitment, as_json: Json = False) -> None:
    """Ask again, as a new commitment, for what a FAILURE left without commitment."""
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import commitment_requests
    from services.cli.requested import print_requested

    requested = with_database(lambda database: commitment_requests.retry(database, actor(), commitment))
    print_requested("retry-commitment", requested, as_json)


@app.command("cancel")
def cancel(commitment: Commitment, as_json: Json = False) -> None:
    """Give a commitment up: it becomes FAILURE, and what is reported of it later changes nothing."""
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import commitment_requests
    from services.cli.requested import print_requested

    requested = with_database(lambda database: commitment_requests.cancel(database, actor(), commitment))
    print_requested("cancel-commitment", requested, as_json)


def _print_rows(columns: tuple[str, ...], rows: list[dict[str, Any]], title: str | None = None) -> None:
    headings = [name.upper().replace("_", " ") for name in columns]
    print_table(headings, [[row[name] if row[name] != "" else None for name in columns] for row in rows], title=title)
