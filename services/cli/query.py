"""``gateway query``."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

import typer

from services.admin import querying
from services.cli import exits
from services.cli.output import Json, Limit, print_json, print_table
from services.cli.session import with_database
from services.dicom.dictionary import tag_of
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings

Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]
COLUMNS: Final[dict[Level, tuple[str, ...]]] = {
    "PATIENT": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies"),
    "STUDY": (
        "PatientName", "PatientID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription",
        "ModalitiesInStudy", "StudyInstanceUID",
    ),
    "SERIES": (
        "SeriesNumber", "Modality", "SeriesDate", "SeriesTime", "SeriesDescription", "NumberOfSeriesRelatedInstances",
        "SeriesInstanceUID",
    ),
    "IMAGE": (
        "InstanceNumber", "ImageID", "ImageIndex", "Rows", "Columns", "NumberOfFrames", "CompletionFlag",
        "VerificationFlag", "ConceptNameCodeSequence", "SOPInstanceUID",
    ),
}  # fmt: skip
"""What a table shows of a level; JSON has everything."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("query")(query)


def query(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Station to ask, flagged --query-retrieve.")],
    level: Annotated[Level, typer.Option(case_sensitive=False, help="What to list.")] = "STUDY",
    patient_name: Annotated[str, typer.Option(help="DOE^*: * stands for any text, ? for one character.")] = "",
    patient_id: Annotated[str, typer.Option(help="Patient ID.")] = "",
    study_id: Annotated[str, typer.Option(help="Study ID.")] = "",
    study_description: Annotated[str, typer.Option(help="Study Description.")] = "",
    accession: Annotated[str, typer.Option(help="Accession Number.")] = "",
    study_date: Annotated[str, typer.Option(help="20260131, 20260101-20260131, 20260101- or -20260131.")] = "",
    modalities: Annotated[str, typer.Option(help="Modalities in Study: NM, PT, CT, MR …")] = "",
    study_uid: Annotated[str, typer.Option(help="Study Instance UID: needed for its series and images.")] = "",
    series_uid: Annotated[str, typer.Option(help="Series Instance UID: needed for its images.")] = "",
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEYWORD=VALUE", help="Any other key, not in profile xeleris; may be repeated."),
    ] = None,
    patient_root: Annotated[
        bool, typer.Option("--patient-root", help="In the model Patient Root, not in profile xeleris.")
    ] = False,
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """Ask a station what it has: its studies, the series of a study, the images of a series."""
    given = {
        "PatientName": patient_name, "PatientID": patient_id, "StudyID": study_id,
        "StudyDescription": study_description, "AccessionNumber": accession, "StudyDate": study_date,
        "ModalitiesInStudy": modalities, "StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid,
    }  # fmt: skip
    given |= _further(key or ())
    by_tag = {_tag(keyword): value for keyword, value in given.items() if value.strip()}
    question = querying.Question(level, by_tag, "PATIENT" if patient_root else "STUDY", limit)
    settings = RuntimeSettings.load()
    profile = profile_of(settings.profile, DicomSettings.load())
    found = with_database(lambda database: querying.ask(database, profile, settings.aet, title, question))
    _print(found, given, as_json)
    raise typer.Exit(exits.DONE if found.ok else exits.FAILED)


def _further(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for keyword, equals, _ in pairs:
        if not equals:
            raise UsageError(f"--key {keyword}: write KEYWORD=VALUE, such as ReferringPhysicianName=DOE^*")
    return {keyword.strip(): value for keyword, _, value in pairs}


def _tag(keyword: str) -> int:
    tag = tag_of(keyword)
    if tag is None:
        raise UsageError(f"--key {keyword}: no element of the DICOM dictionary has this keyword")
    return tag


def _print(found: querying.Queried, given: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
        return
    if found.ok:
        above = [f"study {given['StudyInstanceUID']}"] if found.level in ("SERIES", "IMAGE") else []
        above += [f"series {given['SeriesInstanceUID']}"] if found.level == "IMAGE" else []
        columns = COLUMNS[found.level]
        # Only what some match has: a table stays narrow enough to read.
        columns = tuple(name for name in columns if any(match.get(name) for match in found.matches)) or columns[-1:]
        rows = [[_cell(match.get(name, "")) for name in columns] for match in found.matches]
        typer.echo(", ".join((found.station, *above)))
        print_table(columns, rows)
    typer.echo(found.text, err=not found.ok or found.cut)


def _cell(value: Any) -> Any:
    """A coded concept by its code."""
    return " ".join(value.values()) if isinstance(value, dict) else value
