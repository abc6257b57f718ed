"""``gateway dead``: messages that no consumer could take."""

from typing import Annotated, Literal

import typer

from services.admin import dead_letters
from services.cli.output import Json, Limit, print_fields, print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.dead_letters import Like

app = typer.Typer(help="Dead letters: list, show, replay, discard.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="dead")


Numbers = Annotated[list[int], typer.Argument(metavar="NUMBER…", help="Numbers of dead letters.")]


@app.command("list")
def list_letters(
    state: Annotated[
        Literal["PARKED", "REPLAYED", "DISCARDED", "all"], typer.Option(case_sensitive=False, help="In this state.")
    ] = "PARKED",
    queue: Annotated[str | None, typer.Option(help="That died in this queue.")] = None,
    reason: Annotated[str | None, typer.Option(help="With this in the reason, in any case.")] = None,
    station: Annotated[str | None, typer.Option(help="Whose body names this station.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """The newest dead letters."""
    wanted, like = None if state == "all" else state, Like(queue, reason, station)
    rows = with_database(lambda database: dead_letters.list_letters(database, wanted, limit, None, like))
    if as_json:
        print_json(rows)
        return
    print_table(
        ("NUMBER", "DIED", "QUEUE", "MESSAGE", "STATE", "REASON"),
        [(r["id"], r["died_at"], r["queue"], r["message_type"], r["state"], r["reason"]) for r in rows],
    )


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of a dead letter.")], as_json: Json = False
) -> None:
    """A dead letter with headers and body. The body of instance.received holds patient data."""
    found = with_database(lambda database: dead_letters.show(database, number))
    if as_json:
        print_json(found)
        return
    print_fields({name: value for name, value in found.items() if name != "body"})
    typer.echo(f"\n{found['body']}")


@app.command("replay")
def replay(numbers: Numbers, as_json: Json = False) -> None:
    """Send dead letters to the queue they died in again."""
    _print_count("replayed", with_database(lambda database: dead_letters.replay(database, actor(), numbers)), as_json)


@app.command("discard")
def discard(
    numbers: Numbers,
    reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")] = "",
    as_json: Json = False,
) -> None:
    """Give dead letters up; they stay listed as discarded."""
    count = with_database(lambda database: dead_letters.discard(database, actor(), numbers, reason))
    _print_count("discarded", count, as_json)


def _print_count(verb: str, count: int, as_json: bool) -> None:
    if as_json:
        print_json({verb: count})
    else:
        typer.echo(f"{verb} {count}")
