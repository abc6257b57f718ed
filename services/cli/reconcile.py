"""``gateway reconcile``."""

from typing import Annotated, Any, Literal

import typer

from services.cli import exits
from services.cli.duration import duration
from services.cli.output import Json, print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.settings import RuntimeSettings

HISTORY_ROWS = 100


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile")(reconcile)


def reconcile(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Station that was sent to and can be queried.")],
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="Studies delivered to it within so long: 12h, 7d.")
    ] = "1d",
    level: Annotated[
        Literal["study", "instance"],
        typer.Option(help="What to compare: counts of studies alone, or the UIDs of their instances."),
    ] = "instance",
    resend: Annotated[bool, typer.Option("--resend", help="Send again what it has not got.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show what came of it before; asks nobody.")] = False,
    as_json: Json = False,
) -> None:
    """Compare what a station was sent with what it says it has (C-FIND), and have the gaps sent again.

    Of each study the series are asked for, and of each series the UIDs of its instances. Where a station tells counts
    alone, or with --level study, equal counts are believed, and it says of how many studies that is so. Exit status 1
    if anything is missing, or could not be told. 'gateway station set TITLE --reconcile' does it every night.
    """
    # Imported here: the other commands need nothing of the Upper Layer.
    from services.admin.reconciling import reconcile as reconciling
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings

    if history:
        rows = with_database(lambda database: reconciling.history(database, title, HISTORY_ROWS))
        _print_history(rows, as_json)
        return
    back, settings = duration(since), RuntimeSettings.load()
    profile = profile_of(settings.profile, DicomSettings.load())
    found = with_database(
        lambda database: reconciling.reconcile(
            database, profile, settings.aet, actor(), title, back, level, resend=resend
        )
    )
    if as_json:
        print_json(found)
    else:
        _print(found)
    raise typer.Exit(exits.FAILED if found["incomplete"] else exits.DONE)


def _print(found: dict[str, Any]) -> None:
    columns = ("study", "verdict", "delivered", "there", "missing", "gone", "note")
    if found["gaps"]:
        print_table(
            ("STUDY", "IT IS", "DELIVERED", "THERE", "MISSING", "GONE HERE TOO", "NOTE"),
            [[gap[name] if gap[name] != "" else None for name in columns] for gap in found["gaps"]],
        )
    by_count = f"; of {found['by_count']} studies: counts alike, UIDs not compared" if found["by_count"] else ""
    typer.echo(
        f"{found['title']}: {found['studies']} studies with {found['instances']} instances compared, "
        f"{found['incomplete']} not complete, {found['missing']} instances missing, {found['sent_again']} sent again"
        f"{by_count}"
    )


def _print_history(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    columns = (
        "started_at",
        "requested_by",
        "night",
        "studies",
        "instances",
        "missing",
        "sent_again",
        "finished_at",
        "fault",
    )
    print_table(
        [name.upper().replace("_", " ") for name in columns],
        [[row[name] if row[name] != "" else None for name in columns] for row in rows],
    )
