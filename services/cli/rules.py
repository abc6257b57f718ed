"""``gateway rules``: numbered, immutable rule sets, one of them live."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from schemas.rules import dump, from_stored
from services.admin.rules import rule_findings, rule_sets, taken
from services.admin.rules.faults import FaultyRules
from services.admin.rules.rule_tests import FailedTests
from services.cli import exits, holds, rules_drafts, rules_dry_run, rules_explain, rules_preview, rules_tests
from services.cli.output import Json, cell, print_json, print_table
from services.cli.rule_files import (
    DAYS,
    Comment,
    Days,
    RuleFile,
    RuleFileOrLive,
    counted,
    faults,
    judged,
    read,
    say_if_none,
    warn,
)
from services.cli.session import actor, with_database
from services.runtime.db import Database

app = typer.Typer(
    help="Routing rules: drafts, check, apply, publish, rollback, history, tests, holds.", no_args_is_help=True
)
app.add_typer(rules_drafts.app, name="draft")
app.add_typer(rules_tests.app, name="tests")

Wait = Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait until every process receives under it.")]
WAIT_SECONDS = 5.0


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    rules_dry_run.register(app)
    rules_explain.register(app)
    rules_preview.register(app)
    whole.add_typer(app, name="rules")


@app.command("check")
def check(
    file: RuleFileOrLive = None,
    days: Days = DAYS,
    as_json: Json = False,
) -> None:
    """Check a rule file: all its faults at once, the test cases it fails, and warnings; changes nothing."""

    async def work(database: Database) -> tuple[int, list[dict[str, Any]]]:
        text = (await rule_sets.show(database, None))["source"] if file is None else read(file)
        document = await rule_sets.check(database, text, **judged())
        return len(document.rules), await rule_findings.of(database, document, days)

    what = "the live rule set" if file is None else file
    try:
        rules, findings = with_database(work)
    except (FaultyRules, FailedTests) as error:
        raise faults(what, error, as_json) from None
    if as_json:
        print_json({"ok": True, "rules": rules, "faults": [], "tests": [], "findings": findings})
        return
    typer.echo(f"{what}: {counted(rules)}, no faults")
    say_if_none(rules)
    warn(findings)


@app.command("apply")
def apply(
    file: RuleFile, comment: Comment = "", wait: Wait = WAIT_SECONDS, days: Days = DAYS, as_json: Json = False
) -> None:
    """Make a rule file the live rule set, without a draft."""
    text = read(file)
    _publish(
        file,
        lambda database: rule_sets.apply(database, actor(), text, comment, **judged()),
        wait, days, as_json,
    )  # fmt: skip


@app.command("publish")
def publish(
    draft: Annotated[str, typer.Argument(help="Name of a draft.")],
    comment: Comment = "",
    wait: Wait = WAIT_SECONDS,
    days: Days = DAYS,
    as_json: Json = False,
) -> None:
    """Make a draft the live rule set. Exit status 1 also when some process does not receive under it in time."""
    _publish(
        f"draft {draft}",
        lambda database: rule_sets.publish(database, actor(), draft, comment, **judged()),
        wait, days, as_json,
    )  # fmt: skip


@app.command("rollback")
def rollback(
    number: Annotated[int, typer.Argument(help="Number of the rule set to copy.")],
    comment: Comment = "",
    wait: Wait = WAIT_SECONDS,
    days: Days = DAYS,
    as_json: Json = False,
) -> None:
    """Make a copy of an earlier rule set the live one, under a new number."""
    _publish(
        f"rule set {number}",
        lambda database: rule_sets.roll_back(database, actor(), number, comment, **judged()),
        wait, days, as_json,
    )  # fmt: skip


@app.command("show")
def show(
    number: Annotated[int | None, typer.Argument(help="Number of a rule set; without it the live one.")] = None,
    canonical: Annotated[bool, typer.Option(help="The rules written anew, all alike, without comments.")] = False,
    as_json: Json = False,
) -> None:
    """A rule set: its YAML, exactly as it was published, on standard output; what is known of it beside it."""
    row = with_database(lambda database: rule_sets.show(database, number))
    if as_json:
        print_json(row)
        return
    told = ("number", "live", "comment", "created_by", "created_at", "copied_from")
    for name in told:
        typer.echo(f"{name:<12}{cell(row[name])}", err=True)
    typer.echo(dump(from_stored(row["document"])) if canonical else row["source"], nl=False)


@app.command("history")
def history(as_json: Json = False) -> None:
    """Every rule set, the newest first."""
    rows = with_database(rule_sets.history)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("NUMBER", "LIVE", "RULES", "PUBLISHED", "BY", "COPY OF", "COMMENT"),
        [
            (r["number"], r["live"], r["rules"], r["created_at"], r["created_by"], r["copied_from"], r["comment"])
            for r in rows
        ],
    )


def _publish(
    what: object, publishing: Callable[[Database], Awaitable[dict[str, Any]]], wait: float, days: int, as_json: bool
) -> None:
    """Publish, then say what is worth knowing of it and who receives under it."""

    async def work(database: Database) -> tuple[dict[str, Any], taken.Taken]:
        published = await publishing(database)
        told = await taken.wait(database, published["number"], wait)
        document = from_stored((await rule_sets.show(database, published["number"]))["document"])
        return published | {"findings": await rule_findings.of(database, document, days)}, told

    try:
        published, told = with_database(work)
    except (FaultyRules, FailedTests) as error:
        raise faults(what, error, as_json) from None
    if as_json:
        print_json(published | {"taken": asdict(told) | {"everywhere": told.everywhere}})
    else:
        _say(published, told)
    if not told.everywhere:
        raise typer.Exit(exits.FAILED)


def _say(published: dict[str, Any], told: taken.Taken) -> None:
    state = "live" if published["changed"] else "live already, nothing changed"
    copied = f", a copy of {published['copied_from']}" if "copied_from" in published else ""
    typer.echo(f"rule set {published['number']} is {state} ({counted(published['rules'])}{copied})")
    say_if_none(published["rules"])
    warn(published["findings"])
    if told.by:
        names = ", ".join(row["process"] for row in told.by)
        typer.echo(f"receiving under it after {told.seconds} s: {names}")
    for row in told.behind:
        typer.echo(f"{row['process']} still receives under rule set {row['rule_set']}", err=True)
    for row in told.silent:
        typer.echo(
            f"{row['process']} is dead or cut off from the database: last heard {cell(row['heard_at'])}", err=True
        )
    if told.unknown:
        typer.echo(f"nobody could be asked what they receive under: {told.unknown}", err=True)


RuleName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a rule.")]


@app.command("hold")
def hold(name: RuleName, why: holds.Why, until: holds.Until = None, as_json: Json = False) -> None:
    """Let what a rule sends wait, without ageing, until it is resumed; in force within 2 seconds."""
    holds.begin("rule", name, why, until, as_json)


@app.command("resume")
def resume(name: RuleName, as_json: Json = False) -> None:
    """End the hold of a rule: what waited goes, within 2 seconds."""
    holds.end("rule", name, as_json)
