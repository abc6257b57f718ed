"""``gateway rules draft``: rule files that are worked on until one is published."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from services.admin.rules import draft_changes, rule_drafts, rule_sets
from services.admin.rules.faults import FaultyRules
from services.admin.rules.rule_tests import FailedTests
from services.cli.output import Json, cell, print_json, print_table
from services.cli.rule_files import Comment, RuleFile, counted, judged, read
from services.cli.session import actor, with_database
from services.runtime.db import Database

app = typer.Typer(help="Drafts of rule files: save, list, show, diff, take-over, discard.", no_args_is_help=True)

SIGNS: Final = {"same": " ", "removed": "-", "added": "+"}
Name = Annotated[str, typer.Argument(help="Name of a draft.")]


@app.command("save")
def save(
    file: RuleFile,
    name: Annotated[str, typer.Option(help="Name of the draft; without it, that of the file.")] = "",
    comment: Comment = "",
    base: Annotated[
        int | None,
        typer.Option(
            min=0, help="Number of the rule set the file was begun from; without it, for a new draft the live one."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a rule file as a draft, also one with faults, in the place of the draft of that name."""
    text, called = read(file), name or _named(file)

    async def work(database: Database) -> dict[str, object]:
        saved = await rule_drafts.save(database, actor(), called, text, comment, base=base)
        return saved | {"faults": await _faults(database, text)}

    saved = with_database(work)
    if as_json:
        print_json(saved)
        return
    before = saved["replaced"]
    instead = f", in the place of that {_told(before)}" if isinstance(before, dict) else ""
    typer.echo(f"draft {called} is saved{instead}")
    if saved["faults"]:
        typer.echo(f"it cannot be published yet: {saved['faults']}; 'gateway rules check {file}' tells them", err=True)


@app.command("list")
def list_drafts(as_json: Json = False) -> None:
    """Every draft."""
    rows = with_database(rule_drafts.list_all)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("NAME", "FROM", "SAVED", "BY", "CHARACTERS", "COMMENT"),
        [(r["name"], r["base"], r["saved_at"], r["saved_by"], r["characters"], r["comment"]) for r in rows],
    )


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """A draft: its text, exactly as it was saved, on standard output."""
    row = with_database(lambda database: rule_drafts.show(database, name))
    if as_json:
        print_json(row)
        return
    typer.echo(f"draft {name} {_told(row)}", err=True)
    typer.echo(row["source"], nl=False)


@app.command("diff")
def diff(name: Name, as_json: Json = False) -> None:
    """What a draft changes of the live rules, line by line, and from which rule set it was begun."""
    found = with_database(lambda database: draft_changes.changes(database, name))
    if as_json:
        print_json(asdict(found))
        return
    live = f"rule set {found.live} of {cell(found.published_at)} by {found.published_by}" if found.live else "nothing"
    typer.echo(f"draft {name}, begun from {_base(found.base)}; live is {live}", err=True)
    for line in found.lines:
        typer.echo("…" if line.kind == "gap" else f"{SIGNS[line.kind]}{line.text}")
    if not found.lines:
        typer.echo("the two texts are the same, line by line", err=True)


@app.command("take-over")
def take_over(
    name: Name,
    number: Annotated[int, typer.Argument(min=0, help="Number of the live rule set, as 'diff' named it.")],
    as_json: Json = False,
) -> None:
    """Let a draft go on from the live rule set, after its difference was looked at: then it may be published."""
    row = with_database(lambda database: draft_changes.take_over(database, actor(), name, number))
    if as_json:
        print_json(row)
    else:
        typer.echo(f"draft {name} goes on from rule set {number}; its text is as it was")


@app.command("discard")
def discard(name: Name, as_json: Json = False) -> None:
    """Forget a draft."""
    with_database(lambda database: rule_drafts.discard(database, actor(), name))
    if as_json:
        print_json({"discarded": name})
    else:
        typer.echo(f"draft {name} is discarded")


async def _faults(database: Database, text: str) -> str:
    """What keeps a text from being published, counted; nothing: ""."""
    try:
        await rule_sets.check(database, text, **judged())
    except FaultyRules as error:
        return counted(len(error.faults), "fault")
    except FailedTests as error:
        return counted(len(error.outcomes), "failed test")
    return ""


def _base(number: int | None) -> str:
    if number is None:
        return "a rule set that is not known"
    return f"rule set {number}" if number else "no rules"


def _named(file: Path) -> str:
    return "draft" if str(file) == "-" else file.stem


def _told(row: dict[str, object]) -> str:
    comment = f": {cell(row['comment'])}" if row["comment"] else ""
    return f"of {cell(row['saved_at'])} by {row['saved_by']}{comment}"
