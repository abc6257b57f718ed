"""From header facts to the columns of the query tables (pure). One bad element never costs more than its own value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.dicom.names import folded

LONGEST_TEXT = 256  # characters; an index entry of PostgreSQL holds 2,704 bytes
LARGEST_INTEGER = 2**31 - 1
DEMOGRAPHICS = {
    "patient_id": "00100020",
    "issuer": "00100021",
    "name": "00100010",
    "birth_date": "00100030",
    "sex": "00100040",
}


@dataclass(frozen=True)
class Entry:
    """One receipt as rows of the query tables; ``demographics`` are those elements that have a value."""

    sop_instance_uid: str
    revision: int
    received_at: datetime
    object_key: str
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    demographics: Mapping[str, str]
    study: Mapping[str, str]
    series: Mapping[str, str]
    instance: Mapping[str, str]
    row_count: int | None
    column_count: int | None
    frame_count: int | None
    corrected: bool = False
    """A person corrected it: what it says of the patient replaces what the study said before."""


def entry(receipt: Mapping[str, Any], facts: Mapping[str, Any] | None) -> Entry:
    """The rows that one recorded receipt makes. ``facts`` None or malformed: only what the receipt knows."""
    values = facts.get("values") if isinstance(facts, Mapping) else None
    found: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
    return Entry(
        sop_instance_uid=receipt["sop_instance_uid"],
        revision=receipt["revision"],
        received_at=receipt["received_at"],
        object_key=receipt["object_key"],
        study_instance_uid=receipt["study_instance_uid"],
        series_instance_uid=receipt["series_instance_uid"],
        sop_class_uid=receipt["sop_class_uid"],
        transfer_syntax_uid=receipt["transfer_syntax_uid"],
        demographics=_present({name: text(found, key) for name, key in DEMOGRAPHICS.items()}),
        study={
            "study_date": text(found, "00080020"),
            "study_time": text(found, "00080030"),
            "accession_number": text(found, "00080050"),
            "study_id": text(found, "00200010"),
            "description": text(found, "00081030"),
            "referring_physician": text(found, "00080090"),
        },
        series={
            "modality": text(found, "00080060"),
            "series_number": text(found, "00200011"),
            "series_date": text(found, "00080021"),
            "series_time": text(found, "00080031"),
            "description": text(found, "0008103E"),
        },
        instance={
            "instance_number": text(found, "00200013"),
            "image_type": text(found, "00080008"),
            "image_id": text(found, "00540400"),
        },
        row_count=integer(found, "00280010"),
        column_count=integer(found, "00280011"),
        frame_count=integer(found, "00280008"),
        corrected="corrected" in receipt["flags"],
    )


def clean(value: str) -> str:
    """Text that PostgreSQL takes: no NUL, no lone surrogate, no surrounding spaces, at most 256 characters."""
    encodable = value.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
    return encodable.strip()[:LONGEST_TEXT]


def text(values: Mapping[str, Any], key: str) -> str:
    """All values of an element, joined by backslash as in DICOM; "" if missing, empty or not extracted."""
    found = values.get(key)
    if not isinstance(found, list):
        return ""
    return clean("\\".join("" if value is None else str(value) for value in found))


def integer(values: Mapping[str, Any], key: str) -> int | None:
    """The first value as a number of the column type ``int``; None if it is missing or no such number."""
    found = values.get(key)
    if not isinstance(found, list) or not found:
        return None
    try:
        number = int(found[0])
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= LARGEST_INTEGER else None


def conflicting(known: Mapping[str, str], arrived: Mapping[str, str]) -> bool:
    """True when an element has a value on both sides and they differ in more than case, accents and padding."""
    return any(_comparable(known[name]) != _comparable(arrived[name]) for name in known.keys() & arrived.keys())


def _comparable(value: str) -> str:
    return folded(value).rstrip("^= ").strip()


def _present(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
