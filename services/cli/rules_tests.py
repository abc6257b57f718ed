"""``gateway rules tests``: what every rule set to come has to route as expected."""

from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.rules import from_stored
from services.admin.rules import rule_sets, rule_subjects, rule_tests
from services.cli import exits
from services.cli.output import Json, cell, print_json, print_table
from services.cli.rule_files import Comment, RuleFileOrLive, by_class, counted, read
from services.cli.session import actor, with_database
from services.dicom.rules import Defaults, RuleDocument, RuleFaults, Subject, parse
from services.runtime.clock import now
from services.runtime.db import Database
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings

app = typer.Typer(
    help="Test cases that every rule set has to pass: add, list, show, remove, run.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of a test.")]


@app.command("add")
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A header in YAML or JSON, or a DICOM file.")],
    expect: Annotated[list[str] | None, typer.Option(help="Title that has to get it; once for each.")] = None,
    nowhere: Annotated[bool, typer.Option(help="It has to go nowhere.")] = False,
    fact: Annotated[list[str] | None, typer.Option(help="How it came, such as calling_aet=GAMMA1.")] = None,
    comment: Comment = "",
    as_json: Json = False,
) -> None:
    """Store a test case: a header, or a DICOM file of which the header facts are kept, and where it has to go."""
    if bool(expect) is nowhere:
        raise UsageError(f"test {name}: say where it has to go: --expect TITLE, once for each, or --nowhere")
    subject = _subject(file, _facts(fact or []))
    replaced = with_database(lambda database: rule_tests.add(database, actor(), name, subject, expect or [], comment))
    if as_json:
        print_json({"name": name, "replaced": replaced})
    else:
        typer.echo(f"test {name} is {'replaced' if replaced else 'stored'}; 'gateway rules tests run' tries it")


@app.command("list")
def list_tests(as_json: Json = False) -> None:
    """Every test case."""
    rows = with_database(rule_tests.list_all)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("NAME", "EXPECTED", "SAVED", "BY", "COMMENT"),
        [(r["name"], r["expected"], r["saved_at"], r["saved_by"], r["comment"]) for r in rows],
    )


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """A test case with all that rules see of it."""
    row = with_database(lambda database: rule_tests.show(database, name))
    if as_json:
        print_json(row)
        return
    subject = row["subject"]
    print_table(("FIELD", "VALUE"), [(field, row[field]) for field in row if field != "subject"])
    print_table(("FACT", "VALUE"), [(fact, value) for fact, value in subject.items() if fact != "facts"])
    values = subject["facts"].get("values", {})
    print_table(("ELEMENT", "VALUES"), [(key, [cell(each) for each in found]) for key, found in values.items()])


@app.command("remove")
def remove(name: Name, as_json: Json = False) -> None:
    """Forget a test case."""
    with_database(lambda database: rule_tests.remove(database, actor(), name))
    if as_json:
        print_json({"removed": name})
    else:
        typer.echo(f"test {name} is removed")


@app.command("run")
def run(
    file: RuleFileOrLive = None,
    as_json: Json = False,
) -> None:
    """Run every test case on a rule file, or on the live rule set; exit status 1 if one fails."""

    async def work(database: Database) -> list[dict[str, Any]]:
        return await rule_tests.run(database, await _document(database, file), by_class())

    outcomes = with_database(work)
    failed = [outcome for outcome in outcomes if not outcome["passed"]]
    if as_json:
        print_json(outcomes)
    else:
        print_table(
            ("TEST", "PASSED", "EXPECTED", "GOT", "WHY"),
            [(o["case"], o["passed"], o["expected"], o["got"], list(o["why"])) for o in outcomes],
        )
        typer.echo(f"{counted(len(outcomes), 'test')}, {len(failed)} failed")
    if failed:
        raise typer.Exit(exits.FAILED)


async def _document(database: Database, file: Path | None) -> RuleDocument:
    if file is None:
        return from_stored((await rule_sets.show(database, None))["document"])
    try:
        return parse(read(file))
    except RuleFaults as error:
        raise UsageError(f"{file}: {error}") from error


def _subject(file: Path, facts: dict[str, str]) -> Subject:
    defaults = Defaults(RuntimeSettings.load().aet, now())
    found = rule_subjects.of_data_set(file, facts, defaults) if file.is_file() else None
    return found or rule_subjects.of_header(read(file), facts, defaults)


def _facts(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    wrong = next((text for text, (_, equals, _) in zip(given, pairs, strict=True) if not equals), None)
    if wrong is not None:
        raise UsageError(f"--fact {wrong}: write NAME=VALUE, such as calling_aet=GAMMA1")
    return {name: value for name, _, value in pairs}
