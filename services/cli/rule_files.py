"""What the commands about rules have together: reading files, saying what is wrong with them or worth knowing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from services.admin.rules.faults import FaultyRules, line
from services.admin.rules.rule_tests import FailedTests
from services.cli import exits
from services.cli.output import print_json
from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.profile import profile_of
from services.dicom.rules import ByClass
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings

MAXIMUM_FILE_BYTES: Final = 4 << 20

RuleFile = Annotated[Path, typer.Argument(metavar="FILE", help="Rules in YAML; - reads standard input.")]
RuleFileOrLive = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="Rules in YAML; - reads standard input; none: the live rule set."),
]
Comment = Annotated[str, typer.Option(help="Why; kept with it.")]
Days = Annotated[int, typer.Option(min=0, max=3650, help="Name rules that matched nothing in so many days; 0: none.")]
DAYS: Final = 30


def read_file(file: Path) -> bytes:
    """What a file holds; - is standard input. Raises ``UsageError`` if it cannot be read or is unreasonably large."""
    try:
        if str(file) == "-":
            data = typer.get_binary_stream("stdin").read(MAXIMUM_FILE_BYTES + 1)
        else:
            with file.open("rb") as source:
                data = source.read(MAXIMUM_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; name a readable file") from error
    if len(data) > MAXIMUM_FILE_BYTES:
        raise UsageError(f"{file}: larger than {MAXIMUM_FILE_BYTES >> 20} MiB; that is no rule file")
    return data


def read(file: Path) -> str:
    """The text of a rule file, exactly. Raises ``UsageError`` also if it is not UTF-8."""
    try:
        return read_file(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8 text; name a readable rule file") from error


def commitment_asked() -> bool:
    """Whether the gateway's profile asks for storage commitment."""
    return profile_of(RuntimeSettings.load().profile, DicomSettings.load()).serves(COMMITMENT_PUSH)


def transforming() -> bool:
    """Whether the gateway's profile lets rules change what they send."""
    return RuntimeSettings.load().profile != "xeleris"


def allowed() -> dict[str, bool]:
    """What the profile lets rules ask for, as the use cases take it."""
    return {"commitment": commitment_asked(), "transforming": transforming()}


def by_class() -> ByClass:
    """The classes that the gateway's profile redirects or never sends."""
    profile = profile_of(RuntimeSettings.load().profile, DicomSettings.load())
    return ByClass(profile.pet_raw, profile.unsendable)


def judged() -> dict[str, Any]:
    """What the profile lets rules ask for, and what it makes of SOP classes besides."""
    return {**allowed(), "by_class": by_class()}


def faults(what: object, error: FaultyRules | FailedTests, as_json: bool) -> typer.Exit:
    """Say why rules are refused: every fault, or every test case that failed."""
    found = error.faults if isinstance(error, FaultyRules) else []
    failed = error.outcomes if isinstance(error, FailedTests) else []
    if as_json:
        print_json({"ok": False, "faults": found, "tests": failed})
        return typer.Exit(exits.FAILED)
    if found:
        typer.echo(f"{what}: {counted(len(found), 'fault')}", err=True)
    for fault in found:
        typer.echo(f"  {line(fault)}", err=True)
    if failed:
        typer.echo(f"{what}: {counted(len(failed), 'failed test')}", err=True)
        for told in str(error).splitlines():
            typer.echo(f"  {told}", err=True)
    return typer.Exit(exits.FAILED)


def warn(findings: Sequence[dict[str, Any]]) -> None:
    """Say what is worth knowing."""
    for finding in findings:
        names = ", ".join(finding["rules"])
        typer.echo(f"warning: {names}: {finding['text']}" if names else f"warning: {finding['text']}", err=True)


def say_if_none(rules: int) -> None:
    """Say so of a file without rules."""
    if not rules:
        typer.echo("no rules: instances are kept and sent nowhere")


def counted(number: int, what: str = "rule") -> str:
    """A number of things (pure)."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
