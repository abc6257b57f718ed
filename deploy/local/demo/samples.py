"""What the demo sends: CT and MR of pydicom's installed data, and nuclear medicine of our own generator.

Every run sends new instances: the UIDs are made from a seed, so that a second run shows the same as the first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nuclear_medicine
import pydicom.data
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

ARCHIVE = "ARCHIVE1"
WORKSTATION = "WORKSTATION1"
PYDICOM_FILES = Path(pydicom.data.__file__).parent / "test_files"
MOVED_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


@dataclass(frozen=True)
class Sample:
    """One instance to send; ``data_set`` is exactly what goes over the wire."""

    study: str
    study_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes
    destinations: frozenset[str]


def samples(seed: int) -> list[Sample]:
    """Four studies in the order in which they are sent."""
    nuclear = frozenset({ARCHIVE, WORKSTATION})
    archive = frozenset({ARCHIVE})
    return [
        *_study("CT", _moved(_files("dicomdirtests/98892001"), seed), archive),
        *_study("MR", _moved(_files("dicomdirtests/98892003"), seed, one_study=True), archive),
        *_study("NM static", [nuclear_medicine.static(seed)], nuclear),
        *_study("NM gated tomo", [nuclear_medicine.gated_tomo(seed + 1)], nuclear),
    ]


def _files(folder: str) -> Iterator[Dataset]:
    for path in sorted((PYDICOM_FILES / folder).rglob("*")):
        if path.is_file():
            yield dcmread(path)


def _moved(data_sets: Iterable[Dataset], seed: int, *, one_study: bool = False) -> Iterator[Dataset]:
    """The data sets under UIDs of this run; what shared a UID before shares one afterwards."""
    for data_set in data_sets:
        for keyword in MOVED_UIDS:
            if keyword in data_set:
                setattr(data_set, keyword, nuclear_medicine.uid(seed, keyword, getattr(data_set, keyword)))
        if one_study:
            data_set.StudyInstanceUID = nuclear_medicine.uid(seed, data_set.Modality, "one study")
        yield data_set


def _study(name: str, data_sets: Iterable[Dataset], destinations: frozenset[str]) -> Iterator[Sample]:
    for data_set in data_sets:
        yield Sample(
            study=name,
            study_instance_uid=data_set.StudyInstanceUID,
            sop_class_uid=data_set.SOPClassUID,
            sop_instance_uid=data_set.SOPInstanceUID,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            data_set=nuclear_medicine.encoded(data_set, ExplicitVRLittleEndian),
            destinations=destinations,
        )
