"""Rule files as commands take them: reading, and telling their faults."""

from pathlib import Path
from typing import Annotated

import typer

from services.admin.faults import FaultyRules, line
from services.cli import exits
from services.cli.output import print_json
from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings

MAXIMUM_FILE_BYTES = 4 << 20

RuleFile = Annotated[Path, typer.Argument(metavar="FILE", help="Rules in YAML; - reads standard input.")]


def read(file: Path) -> str:
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


def commitment_asked() -> bool:
    """Whether the gateway's profile asks for storage commitment."""
    return profile_of(RuntimeSettings.load().profile, DicomSettings.load()).serves(COMMITMENT_PUSH)


def faults(file: Path, error: FaultyRules, as_json: bool) -> typer.Exit:
    """Print the faults of a rule file; the end of the command."""
    if as_json:
        print_json({"ok": False, "faults": error.faults})
    else:
        typer.echo(f"{file}: {counted(len(error.faults), 'fault')}", err=True)
        for fault in error.faults:
            typer.echo(f"  {line(fault)}", err=True)
    return typer.Exit(exits.FAILED)


def counted(number: int, what: str = "rule") -> str:
    """``1 rule``, ``2 rules`` (pure)."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
