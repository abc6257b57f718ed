"""The query tables in PostgreSQL. Every function runs in its caller's transaction."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.dicom.names import folded
from services.index.batch import Batch, PatientKey, Study, gather
from services.index.columns import Entry, entry
from services.runtime.db import load_queries

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__)

STUDY_COLUMNS = ("study_date", "study_time", "accession_number", "study_id", "description", "referring_physician")
SERIES_COLUMNS = ("modality", "series_number", "series_date", "series_time", "description")
INSTANCE_COLUMNS = (
    "sop_instance_uid",
    "revision",
    "received_at",
    "object_key",
    "study_instance_uid",
    "series_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "row_count",
    "column_count",
    "frame_count",
)
ELEMENT_COLUMNS = ("instance_number", "image_type", "image_id")


@dataclass(frozen=True, order=True)
class ReceiptKey:
    """The key of a receipt's row."""

    received_at: datetime
    object_key: str


async def index_receipts(connection: Connection, keys: Sequence[ReceiptKey], *, bare: bool = False) -> int:
    """Write the rows of recorded receipts; again changes nothing. Returns how many receipts belong into the index.

    ``bare`` leaves the facts out: the way in for an instance whose elements the database refused.
    """
    await connection.execute(QUERIES.lock_index)
    found = await _receipts(connection, keys)
    entries = [entry(row, None if bare else row["facts"]) for row in found]
    if not entries:
        return 0
    known, before = await _known_studies(connection, entries)
    batch = gather(entries, known)
    patients = await _upsert_patients(connection, batch)
    await _upsert_studies(connection, batch, patients)
    await _upsert_series(connection, batch)
    await _insert_instances(connection, batch)
    await _settle_corrected(connection, {each.study_instance_uid for each in entries if each.corrected}, before)
    return len(entries)


async def _receipts(connection: Connection, keys: Sequence[ReceiptKey]) -> list[DictRow]:
    parameters = {"received_at": [key.received_at for key in keys], "object_key": [key.object_key for key in keys]}
    return await (await connection.execute(QUERIES.select_receipts, parameters)).fetchall()


async def _known_studies(connection: Connection, entries: Sequence[Entry]) -> tuple[dict[str, Study], dict[str, int]]:
    """The studies that exist already, and the patient of each."""
    uids = sorted({entry.study_instance_uid for entry in entries})
    rows = await (await connection.execute(QUERIES.select_studies, {"uids": uids})).fetchall()
    studies = {row["study_instance_uid"]: Study({}, row["demographics"], row["patient_conflict"]) for row in rows}
    return studies, {row["study_instance_uid"]: row["patient"] for row in rows}


async def _settle_corrected(connection: Connection, studies: Collection[str], before: Mapping[str, int]) -> None:
    """Studies that a person corrected: whether their patient still differs; a patient without any study goes."""
    if not studies:
        return
    await connection.execute(QUERIES.settle_corrected, {"uids": sorted(studies)})
    patients = sorted({before[uid] for uid in studies if uid in before})
    await connection.execute(QUERIES.remove_patients_without_study, {"patient": patients})


async def _upsert_patients(connection: Connection, batch: Batch) -> dict[PatientKey, int]:
    found = list(batch.patients.items())
    names = [demographics.get("name", "") for _, demographics in found]
    parameters = {
        "patient_id": [key[0] for key, _ in found],
        "issuer": [key[1] for key, _ in found],
        "only_study": [key[2] for key, _ in found],
        "name": names,
        "name_folded": [folded(name) for name in names],
        "birth_date": [demographics.get("birth_date", "") for _, demographics in found],
        "sex": [demographics.get("sex", "") for _, demographics in found],
    }
    rows = await (await connection.execute(QUERIES.upsert_patients, parameters)).fetchall()
    return {(row["patient_id"], row["issuer"], row["only_study"]): row["id"] for row in rows}


async def _upsert_studies(connection: Connection, batch: Batch, patients: Mapping[PatientKey, int]) -> None:
    uids = list(batch.studies)
    studies = list(batch.studies.values())
    parameters: dict[str, Any] = {
        "study_instance_uid": uids,
        "patient": [patients[study.patient(uid)] for uid, study in batch.studies.items()],
        "demographics": [json.dumps(dict(study.demographics)) for study in studies],
        "patient_conflict": [study.patient_conflict for study in studies],
    }
    parameters |= {column: [study.values.get(column, "") for study in studies] for column in STUDY_COLUMNS}
    await connection.execute(QUERIES.upsert_studies, parameters)


async def _upsert_series(connection: Connection, batch: Batch) -> None:
    parameters = {
        "study_instance_uid": [study for study, _ in batch.series],
        "series_instance_uid": [series for _, series in batch.series],
    }
    parameters |= {column: [values[column] for values in batch.series.values()] for column in SERIES_COLUMNS}
    await connection.execute(QUERIES.upsert_series, parameters)


async def _insert_instances(connection: Connection, batch: Batch) -> None:
    entries = list(batch.instances.values())
    parameters: dict[str, Any] = {column: [getattr(row, column) for row in entries] for column in INSTANCE_COLUMNS}
    parameters |= {column: [row.instance[column] for row in entries] for column in ELEMENT_COLUMNS}
    await connection.execute(QUERIES.insert_instances, parameters)
    await connection.execute(QUERIES.mark_latest, {"uids": sorted({row.sop_instance_uid for row in entries})})


@dataclass(frozen=True)
class Window:
    """The receipts to look through, by the time storage recorded them (database clock)."""

    lower: datetime
    upper: datetime


async def begin_reconcile(connection: Connection, overlap_seconds: float, age_seconds: float) -> Window:
    """From what was reconciled before, less ``overlap_seconds``, to ``age_seconds`` ago."""
    found = await connection.execute(QUERIES.begin_reconcile, {"overlap": overlap_seconds, "age": age_seconds})
    row = await found.fetchone()
    if row is None:
        raise LookupError("index.reconciled has no row: the database was not migrated")
    return Window(row["lower"], row["upper"])


async def select_unindexed(
    connection: Connection, window: Window, after: tuple[datetime, str], most: int
) -> list[DictRow]:
    """Receipts of the window without their index row, behind ``after`` in order of (recorded_at, object_key)."""
    parameters = {
        "lower": window.lower,
        "upper": window.upper,
        "after_recorded_at": after[0],
        "after_object_key": after[1],
        "most": most,
    }
    return await (await connection.execute(QUERIES.select_unindexed, parameters)).fetchall()


async def advance_reconciled(connection: Connection, through: datetime) -> None:
    """Everything recorded up to ``through`` is indexed."""
    await connection.execute(QUERIES.advance_reconciled, {"through": through})
