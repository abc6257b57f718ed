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

from deploy.local.demo.nuclear_medicine import part_10
from tests.iod_mutations import STANDARD, Mutation
from tests.xeleris_objects import MADE_BY_XELERIS, SENT_ON, made

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
    dciodvfy = shutil.which("dciodvfy")
    assert dciodvfy, "dicom3tools is part of what tests/run installs"
    path = folder / "object.dcm"
    path.write_bytes(part_10(data_set))
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
