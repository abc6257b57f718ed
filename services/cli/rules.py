"""``gateway rules``: numbered, immutable rule sets, one of them live."""

from pathlib import Path
from typing import Annotated

import typer

from services.admin import rule_sets
from services.admin.faults import FaultyRules, line
from services.cli import exits
from services.cli.output import Json, print_fields, print_json, print_table
from services.cli.session import actor, with_database
from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings

MAXIMUM_FILE_BYTES = 4 << 20

app = typer.Typer(help="Routing rules: check, apply, show, history.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="rules")


RuleFile = Annotated[Path, typer.Argument(metavar="FILE", help="Rules in YAML; - reads standard input.")]


@app.command("check")
def check(file: RuleFile, as_json: Json = False) -> None:
    """Check a rule file and print all its faults at once; changes nothing."""
    text = _read(file)
    try:
        rules = with_database(lambda database: rule_sets.check(database, text, commitment=_commitment()))
    except FaultyRules as error:
        raise _faults(file, error, as_json) from None
    if as_json:
        print_json({"ok": True, "rules": rules, "faults": []})
    else:
        typer.echo(f"{file}: {_counted(rules)}, no faults")
        _say_if_none(rules)


@app.command("apply")
def apply(
    file: RuleFile,
    comment: Annotated[str, typer.Option(help="Why; kept with the rule set.")] = "",
    as_json: Json = False,
) -> None:
    """Make a rule file the live rule set; in force in every process within 2 seconds."""
    text = _read(file)
    try:
        commitment = _commitment()
        applied = with_database(
            lambda database: rule_sets.apply(database, actor(), text, comment, commitment=commitment)
        )
    except FaultyRules as error:
        raise _faults(file, error, as_json) from None
    if as_json:
        print_json(applied)
        return
    if applied["changed"]:
        typer.echo(f"rule set {applied['number']} is live ({_counted(applied['rules'])})")
    else:
        typer.echo(f"rule set {applied['number']} is live already, nothing changed ({_counted(applied['rules'])})")
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


def _read(file: Path) -> str:
    """The text of a rule file. Raises ``UsageError`` if it cannot be read as UTF-8 or is unreasonably large."""
    try:
        if str(file) == "-":
            return typer.get_text_stream("stdin").read(MAXIMUM_FILE_BYTES)
        if file.stat().st_size > MAXIMUM_FILE_BYTES:
            raise UsageError(f"{file}: larger than {MAXIMUM_FILE_BYTES >> 20} MiB; that is no rule file")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"{file}: {reason}; name a readable rule file") from error


def _commitment() -> bool:
    """Whether the gateway's profile asks for storage commitment."""
    return profile_of(RuntimeSettings.load().profile, DicomSettings.load()).serves(COMMITMENT_PUSH)


def _faults(file: Path, error: FaultyRules, as_json: bool) -> typer.Exit:
    if as_json:
        print_json({"ok": False, "faults": error.faults})
    else:
        typer.echo(f"{file}: {_counted(len(error.faults), 'fault')}", err=True)
        for fault in error.faults:
            typer.echo(f"  {line(fault)}", err=True)
    return typer.Exit(exits.FAILED)


def _say_if_none(rules: int) -> None:
    if not rules:
        typer.echo("no rules: instances are kept and sent nowhere")


def _counted(number: int, what: str = "rule") -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
