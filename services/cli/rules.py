"""``gateway rules``: numbered, immutable rule sets, one of them live."""

from typing import Annotated

import typer

from services.admin import rule_sets
from services.admin.faults import FaultyRules
from services.cli import rules_dry_run, rules_explain
from services.cli.output import Json, print_fields, print_json, print_table
from services.cli.rule_files import RuleFile, commitment_asked, counted, faults, read
from services.cli.session import actor, with_database

app = typer.Typer(help="Routing rules: check, apply, show, history.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    rules_dry_run.register(app)
    rules_explain.register(app)
    whole.add_typer(app, name="rules")


@app.command("check")
def check(file: RuleFile, as_json: Json = False) -> None:
    """Check a rule file and print all its faults at once; changes nothing."""
    text = read(file)
    try:
        rules = with_database(lambda database: rule_sets.check(database, text, commitment=commitment_asked()))
    except FaultyRules as error:
        raise faults(file, error, as_json) from None
    if as_json:
        print_json({"ok": True, "rules": rules, "faults": []})
    else:
        typer.echo(f"{file}: {counted(rules)}, no faults")
        _say_if_none(rules)


@app.command("apply")
def apply(
    file: RuleFile,
    comment: Annotated[str, typer.Option(help="Why; kept with the rule set.")] = "",
    as_json: Json = False,
) -> None:
    """Make a rule file the live rule set; in force in every process within 2 seconds."""
    text = read(file)
    try:
        commitment = commitment_asked()
        applied = with_database(
            lambda database: rule_sets.apply(database, actor(), text, comment, commitment=commitment)
        )
    except FaultyRules as error:
        raise faults(file, error, as_json) from None
    if as_json:
        print_json(applied)
        return
    if applied["changed"]:
        typer.echo(f"rule set {applied['number']} is live ({counted(applied['rules'])})")
    else:
        typer.echo(f"rule set {applied['number']} is live already, nothing changed ({counted(applied['rules'])})")
    _say_if_none(applied["rules"])


@app.command("show")
def show(
    number: Annotated[int | None, typer.Argument(help="Number of a rule set; without it the live one.")] = None,
    as_json: Json = False,
) -> None:
    """A rule set as it was applied."""
    row = with_database(lambda database: rule_sets.show(database, number))
    if as_json:
        print_json(row)
        return
    print_fields({name: row[name] for name in ("number", "live", "comment", "created_by", "created_at")})
    typer.echo(f"\n{row['source'].rstrip()}")


@app.command("history")
def history(as_json: Json = False) -> None:
    """Every rule set, the newest first."""
    rows = with_database(rule_sets.history)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("NUMBER", "LIVE", "RULES", "APPLIED", "BY", "COMMENT"),
        [(r["number"], r["live"], r["rules"], r["created_at"], r["created_by"], r["comment"]) for r in rows],
    )


def _say_if_none(rules: int) -> None:
    if not rules:
        typer.echo("no rules: instances are kept and sent nowhere")
