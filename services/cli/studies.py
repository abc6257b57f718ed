"""``gateway studies``: what the index holds. Shows patient data: that is its purpose."""

import re
from typing import Annotated, Any

import typer

from services.admin import studies
from services.admin.studies import Filter
from services.cli.output import Json, Limit, print_fields, print_json, print_table
from services.cli.session import with_database

app = typer.Typer(help="Studies: list, show.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="studies")


def _dicom_date(text: str) -> str:
    if not re.fullmatch(r"[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise typer.BadParameter(f"{text!r} is no date; write 20261231 or 2026-12-31")
    return text.replace("-", "")


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


def _counts(row: dict[str, Any]) -> tuple[int, int]:
    """What is stored there, and what of it has its newest revision elsewhere."""
    return row["instances"], row["superseded"]
