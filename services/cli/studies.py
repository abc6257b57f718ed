"""``gateway studies``: what the index holds. Shows patient data: that is its purpose."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from services.admin import studies
from services.admin.studies import Filter
from services.admin.when import NEVER, when_of
from services.cli.output import Json, Limit, print_fields, print_json, print_table
from services.cli.session import actor, with_database

app = typer.Typer(
    help="Studies: list, show, unmatched, discard, route, export, correct, delete, retention.", no_args_is_help=True
)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="studies")


def _dicom_date(text: str) -> str:
    if not re.fullmatch(r"[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise typer.BadParameter(f"{text!r} is no date; write 20261231 or 2026-12-31")
    digits = text.replace("-", "")
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day of the calendar") from None
    return digits


Day = Annotated[str | None, typer.Option(parser=_dicom_date, metavar="DATE")]


@app.command("list")
def list_studies(
    patient_id: Annotated[str | None, typer.Option(help="Exactly this Patient ID.")] = None,
    accession: Annotated[str | None, typer.Option(help="Exactly this Accession Number.")] = None,
    modality: Annotated[str | None, typer.Option(help="With a series of this modality.")] = None,
    since: Day = None,
    until: Day = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """The studies that changed last; --since and --until are Study Dates, both included.

    INSTANCES counts what is stored, SUPERSEDED what of it was sent again into another study. ARCHIVED: a station
    committed at least one of its instances.
    """
    wanted = Filter(None, patient_id, accession, modality, since, until)
    rows = with_database(lambda database: studies.list_studies(database, wanted, limit))
    if as_json:
        print_json(rows)
        return
    print_table(
        ("STUDY", "PATIENT ID", "PATIENT", "DATE", "MODALITIES", "SERIES", "INSTANCES", "SUPERSEDED", "ARCHIVED",
         "DESCRIPTION"),
        [
            (
                row["study_instance_uid"],
                row["patient_id"],
                row["patient_name"],
                row["study_date"],
                row["modalities"],
                row["series"],
                *_counts(row),
                row["archived"],
                row["description"],
            )
            for row in rows
        ],
    )  # fmt: skip


@app.command("show")
def show(
    study: Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID.")], as_json: Json = False
) -> None:
    """A study and its series; 'gateway where' tells what was found."""
    found = with_database(lambda database: studies.show(database, study))
    if as_json:
        print_json(found)
        return
    print_fields({name: value for name, value in found.items() if name != "series"})
    print_table(
        ("SERIES", "MODALITY", "NUMBER", "INSTANCES", "SUPERSEDED", "WITH FINDINGS", "DESCRIPTION"),
        [
            (
                s["series_instance_uid"],
                s["modality"],
                s["series_number"],
                *_counts(s),
                s["with_findings"],
                s["description"],
            )
            for s in found["series"]
        ],
    )


@app.command("unmatched")
def unmatched(
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Received since then: 2d, 12h, or 2026-12-01T07:00 (UTC).")
    ] = None,
    state: Annotated[
        Literal["OPEN", "DISCARDED", "all"], typer.Option(case_sensitive=False, help="Which of them.")
    ] = "OPEN",
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """What is stored and was never to be sent anywhere: no rule matched it, it would only have gone back
    to where it came from, or it was kept back.

    'gateway studies route' evaluates it by the rules that are live now, 'gateway send' sends it by hand, and 'gateway
    studies discard' lists it no more.
    """
    beginning = NEVER if since is None else when_of(since)
    discarded = None if state == "all" else state == "DISCARDED"
    rows = with_database(lambda database: studies.unmatched(database, beginning, limit, discarded=discarded))
    if as_json:
        print_json(rows)
        return
    columns = {
        "STUDY": "study_instance_uid", "INSTANCES": "instances", "FROM": "source",
        "FIRST RECEIVED": "first_received_at", "LAST RECEIVED": "last_received_at", "RULE SET": "rule_set",
        "WHY": "why",
    }  # fmt: skip
    if state != "OPEN":
        columns |= {"DISCARDED": "discarded_at", "BY": "discarded_by", "BECAUSE": "discarded_why"}
    print_table(tuple(columns), [[row[column] for column in columns.values()] for row in rows])


@app.command("discard")
def discard(
    study: Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID.")],
    reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")],
    as_json: Json = False,
) -> None:
    """List a study no more that was sent nowhere, until something new of it is. Nothing of it is deleted."""
    instances = with_database(lambda database: studies.discard_unmatched(database, actor(), study, reason))
    if as_json:
        print_json({"discarded": study, "instances": instances})
    else:
        typer.echo(f"study {study} is listed no more: {instances} {'instance' if instances == 1 else 'instances'}")


@app.command("route")
def route(
    uids: Annotated[list[str], typer.Argument(metavar="UID…", help="Study, series or SOP Instance UIDs.")],
    as_json: Json = False,
) -> None:
    """Evaluate what is stored by the rules live now, what was held back too; what was sent is not sent again."""
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import requests
    from services.cli.requested import print_requested

    requested = with_database(lambda database: requests.route(database, actor(), uids))
    print_requested("route", requested, as_json)


@app.command("export")
def export(
    uids: Annotated[list[str], typer.Argument(metavar="UID…", help="Study, series or SOP Instance UIDs.")],
    to: Annotated[Path, typer.Option(metavar="DIR|ZIP", help="New folder, or new file that ends in .zip.")],
    all_revisions: Annotated[
        bool, typer.Option("--all-revisions", help="Every stored revision, not only the newest.")
    ] = False,
    dicomdir: Annotated[bool, typer.Option("--dicomdir", help="As a file-set for media: with a DICOMDIR.")] = False,
    as_json: Json = False,
) -> None:
    """Write what is stored into a new folder or ZIP: Part 10 files, the data sets bit for bit as received.

    Files are named STUDY/SERIES/INSTANCE.dcm by their UIDs. Nothing is overwritten, and what fails leaves nothing
    behind. Reads the object store itself, so it needs the settings of the services. Audited.
    """
    # Imported here: the commands that only ask need no object store.
    from services.admin.exporting.export import export as write
    from services.runtime.objects import open_store
    from services.runtime.settings import RuntimeSettings

    objects = open_store(RuntimeSettings.load())
    written = with_database(
        lambda database: write(
            database, objects, actor(), uids, to.absolute(), all_revisions=all_revisions, dicomdir=dicomdir
        )
    )
    if as_json:
        print_json(written)
    else:
        typer.echo(f"{written['files']} files with {written['bytes']} bytes of data sets written to {written['to']}")


@app.command("delete")
def delete(
    uids: Annotated[list[str], typer.Argument(metavar="UID…", help="Study, series or SOP Instance UIDs.")],
    even_uncommitted: Annotated[
        bool, typer.Option("--even-uncommitted", help="Also what is to be committed and is not; audited.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Give up deliveries that have not ended; with --why, audited.")
    ] = False,
    why: Annotated[str, typer.Option(help="With --force: why; kept in the audit.")] = "",
    as_json: Json = False,
) -> None:
    """Delete what is stored, all its revisions. Nothing is deleted if one instance has to stay.

    An instance stays while a delivery of it waits, is held, is being sent or is in doubt: wait, cancel their jobs, or
    --force, which ends what waits as FAILED. It stays until every station that is, or once it is delivered will be,
    asked to commit it has done so, and until it was routed. --even-uncommitted deletes it all the same, but never what
    this gateway has itself committed to a peer. Queries find it no more at once; its object goes about a minute later.
    """
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import requests
    from services.cli.requested import print_requested

    requested = with_database(
        lambda database: requests.delete(
            database, actor(), uids, even_uncommitted=even_uncommitted, force=force, why=why
        )
    )
    print_requested("delete", requested, as_json)


@app.command("retention")
def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the oldest studies and what would become of each; deletes nothing.")
    ] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="With --dry-run: as if so many days were set.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="With --dry-run: at most so many studies.")] = 100,
    as_json: Json = False,
) -> None:
    """What retention does: its policy, and why studies stay that are old enough.

    It is off until GATEWAY_STORAGE_RETENTION_DAYS or --retention-days of a station say otherwise, and deletes only what
    is delivered everywhere its rules say and committed where that is asked; see 'gateway audit list --action studies'.
    """
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import retention as retaining
    from services.cli.requested import print_requested

    if not dry_run:
        state = with_database(retaining.state)
        if as_json:
            print_json(state)
            return
        print_fields(
            {**state["policy"], **{name: value for name, value in state.items() if name not in ("policy", "kept")}}
        )
        rows = [(each["studies"], each["oldest_received_at"], each["reason"]) for each in state["kept"]]
        print_table(("STUDIES", "OLDEST RECEIVED", "STAY BECAUSE"), rows)
        return
    requested = with_database(lambda database: retaining.preview(database, actor(), days, limit))
    if as_json or requested.result is None:
        print_requested("retention", requested, as_json)
        return
    columns = ("study", "last_received_at", "instances", "bytes")
    print_table(
        ("STUDY", "LAST RECEIVED", "INSTANCES", "BYTES", "WOULD BE DELETED", "STAYS BECAUSE"),
        [(*(r[name] for name in columns), not r["kept"], r["kept"] or None) for r in requested.result["studies"]],
    )


@app.command("correct")
def correct(
    uids: Annotated[list[str], typer.Argument(metavar="UID…", help="Study, series or SOP Instance UIDs.")],
    why: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
    patient_id: Annotated[str | None, typer.Option(help="The right Patient ID.")] = None,
    patient_name: Annotated[str | None, typer.Option(help="The right Patient's Name, as Doe^Jane.")] = None,
    accession: Annotated[str | None, typer.Option(help="The right Accession Number.")] = None,
    charset: Annotated[
        str | None, typer.Option(help="Specific Character Set to write in, such as ISO_IR 192; else the received one.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TITLE", help="Send it to this station alone; else as the live rules say.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what changes in the first instance; correct nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Correct a wrong patient ID, name or accession number, and send the corrected instances.

    A new revision of each instance is stored and routed by the live rule set; the original stays, and 'gateway where'
    shows both. Instances that say so already stay as they are. Of each instance the newest revision is corrected, also
    one that is held.
    """
    # Imported here: the broker's client and the object store come with them, and other commands need none.
    from services.admin import corrections
    from services.cli.changed_elements import print_changed, with_objects
    from services.cli.requested import print_requested

    wanted = corrections.Correction(patient_id, patient_name, accession, charset)
    if not preview:
        requested = with_database(lambda database: corrections.correct(database, actor(), uids, wanted, why, to))
        print_requested("correct", requested, as_json)
        return
    found = with_objects(
        lambda database, objects, largest: corrections.preview(database, objects, uids[0], wanted, largest)
    )
    if as_json:
        print_json(found)
    else:
        typer.echo(f"instance {found['instance']} revision {found['revision']}")
        print_changed(found)


def _counts(row: dict[str, Any]) -> tuple[int, int]:
    """What is stored there, and what of it has its newest revision elsewhere."""
    return row["instances"], row["superseded"]
