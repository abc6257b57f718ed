"""Whose a stored content is (pure)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

PATIENT_NAME: Final = "00100010"
PATIENT_ID: Final = "00100020"
ISSUER: Final = "00100021"


@dataclass(frozen=True, order=True)
class Patient:
    """Patient ID (0010,0020) with its issuer (0010,0021), "" for none."""

    patient_id: str
    issuer: str = ""


@dataclass(frozen=True)
class Content:
    """A content of an instance. ``patient``: what its header says, None if it says no Patient ID; ``corrected``: a
    person had it made from the content before it; ``values``: the header's, by key."""

    sop_instance_uid: str
    revision: int
    study_instance_uid: str
    series_instance_uid: str
    sha256: str
    size: int
    patient: Patient | None
    corrected: bool
    values: Mapping[str, Any]


def patient_in(values: Mapping[str, Any]) -> Patient | None:
    """What header facts say, as the index has it; None without a Patient ID."""
    patient_id = text_of(values, PATIENT_ID)
    return Patient(patient_id, text_of(values, ISSUER)) if patient_id else None


def text_of(values: Mapping[str, Any], key: str) -> str:
    """All values of an element, joined by backslash; "" for none."""
    found = values.get(key)
    if not isinstance(found, list):
        return ""
    return "\\".join("" if value is None else str(value) for value in found).strip()


def contents_of(patient: Patient, known: Iterable[Content], studies: Collection[str]) -> list[Content]:
    """Of the contents those that are the patient's.

    A content is whose its header says. One that was corrected is the person's whom the correction names, whatever it
    said before; one that names nobody is the patient's in ``studies``, which the index lists under the patient.
    """
    ordered = sorted(known, key=lambda each: (each.sop_instance_uid, -each.revision))
    found = []
    for _, revisions in groupby(ordered, key=lambda each: each.sop_instance_uid):
        corrected_to_theirs = False
        for each in revisions:
            nobodys = each.patient is None and each.study_instance_uid in studies
            theirs = each.patient == patient or nobodys or corrected_to_theirs
            corrected_to_theirs = theirs and each.corrected
            if theirs:
                found.append(each)
    return found


def counted(contents: Collection[Content]) -> dict[str, int]:
    """How much that is; ``revisions``: contents, of which an instance may have several."""
    return {
        "studies": len({each.study_instance_uid for each in contents}),
        "series": len({(each.study_instance_uid, each.series_instance_uid) for each in contents}),
        "instances": len({each.sop_instance_uid for each in contents}),
        "revisions": len(contents),
        "bytes": sum(each.size for each in contents),
    }
