"""dciodvfy (dicom3tools) agrees on what PS3.3 says: no error in the objects, and one more in each mutation it can know.

Private elements are none of its business: it warns that it does not know them, or knows them otherwise.
"""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded, part_10
from services.dicom.iods import STANDARD as STANDARD_CHECK
from tests.iod_mutations import STANDARD, Mutation, Pieces, checked
from tests.xeleris_objects import MADE_BY_XELERIS, SENT_ON, made, standard_elements

TIME_SLOTS = (
    "Error - Attribute present when condition unsatisfied (which may not be present otherwise) Type 2C "
    "Conditional Element=<TimeSlotInformationSequence> Module=<NMMultiGatedAcquisition>"
)
"""Its condition is Image Type value 3 GATED alone; Table 3-39, after PS3.3, asks whether the Frame Increment Pointer
names the Time Slot Vector, as it does in gated tomographic images too."""
ALLOWED = {"NM GATED TOMO": [TIME_SLOTS], "NM RECON GATED TOMO": [TIME_SLOTS]}


@pytest.fixture(autouse=True)
def _values_are_written_as_they_are() -> Iterator[None]:
    with disable_value_validation():
        yield


def errors(data_set: Dataset, folder: Path) -> list[str]:
    """What dciodvfy calls an error in an object."""
    return errors_of(part_10(data_set), folder)


def errors_of(file: bytes, folder: Path) -> list[str]:
    """The same of a Part 10 file."""
    dciodvfy = shutil.which("dciodvfy")
    assert dciodvfy, "dicom3tools is part of what tests/run installs"
    path = folder / "object.dcm"
    path.write_bytes(file)
    told = subprocess.run([dciodvfy, path], capture_output=True, text=True, check=False)
    assert "Error - Failed to determine IOD" not in told.stderr
    return [line for line in told.stderr.splitlines() if "Error" in line]


@pytest.mark.parametrize("name", [*MADE_BY_XELERIS, *SENT_ON])
def test_dciodvfy_finds_no_error_in_an_object_that_keeps_to_its_iod(name: str, tmp_path: Path) -> None:
    assert errors(made(name), tmp_path) == ALLOWED.get(name, [])


@pytest.mark.parametrize(
    "mutation", [mutation for mutation in STANDARD if mutation.dciodvfy], ids=lambda mutation: mutation.name
)
def test_dciodvfy_finds_an_error_in_a_mutation(mutation: Mutation, tmp_path: Path) -> None:
    assert Counter(errors(mutation.broken(), tmp_path)) - Counter(errors(made(mutation.object), tmp_path))


OURS_ALONE = {
    "Modality": "in captures it takes Modality for type 3, as the SC Equipment Module says beside General Series",
    "DetectorInformationSequence/FocalDistance": "type 2 in PS3.3 C.8.4.11",
    "GatedInformationSequence": "type 2C by the Frame Increment Pointer in PS3.3 C.8.4.13",
    "GatedInformationSequence/DataInformationSequence": "type 2 in PS3.3 C.8.4.13",
    "GatedInformationSequence/DataInformationSequence/FrameTime": "type 1 in PS3.3 C.8.4.13",
    "GatedInformationSequence/DataInformationSequence/TimeSlotInformationSequence": "as in TIME_SLOTS",
    "ContentSequence/ValueType": "type 1 of every content item by value, PS3.3 C.17.3",
}
THEIRS_ALONE = {
    "BodyPartExamined": "without it the body part may be paired, and Laterality is asked for: not decidable",
    "Manufacturer": "captures may leave the General Equipment Module out",
    "FrameOfReferenceUID": "NM images may leave the Frame of Reference Module out",
    "AcquisitionContextSequence/ValueType": "type 3 in the editions the statement follows",
    "AcquisitionContextSequence/ConceptCodeSequence": "hangs on that Value Type",
    "PhaseInformationSequence/TriggerVector": "finds Number of Triggers in Phase where it need not be",
}
"""Where the two differ on what is missing, and why."""


@pytest.mark.parametrize(
    "name", ["NM WHOLE BODY", "NM DYNAMIC", "NM GATED", "NM RECON TOMO", *MADE_BY_XELERIS[8:], *SENT_ON]
)
def test_dciodvfy_misses_what_we_miss(name: str, tmp_path: Path) -> None:
    """Each element is taken away in turn, in the main data set and in first items."""
    data_set = made(name)
    sop_class, before = str(data_set.SOPClassUID), Counter(errors(data_set, tmp_path))
    head, pieces = part_10(data_set).removesuffix(encoded(data_set)), Pieces(data_set)
    for path, holder, element in standard_elements(data_set):
        if element.keyword in ("SOPClassUID", "SOPInstanceUID"):
            continue  # without them there is no file to show it
        del holder[element.tag]
        content = pieces.encoded(holder, element.tag)
        found = checked(content, ExplicitVRLittleEndian, sop_class)
        ours = [finding for finding in found if finding.check == STANDARD_CHECK]
        theirs = Counter(errors_of(head + content, tmp_path)) - before
        holder[element.tag] = element
        if path not in (OURS_ALONE if ours else THEIRS_ALONE):
            assert bool(ours) == bool(theirs), path
