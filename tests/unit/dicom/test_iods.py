"""Objects that keep to their IOD have no finding, whole and in every encoding; real samples have only true ones."""

import io
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.facts import read_header
from services.dicom.iods import XELERIS, check
from services.dicom.iods.definitions import standard, xeleris
from services.dicom.iods.findings import Finding
from tests.factories import Instance, storable_files
from tests.xeleris_objects import MADE_BY_XELERIS, SENT_ON, made

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


def findings(data_set: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> list[str]:
    """The findings of a data set as stored."""
    content = encoded(data_set, transfer_syntax)
    read_header(io.BytesIO(content), 0, len(content), transfer_syntax)
    return [str(found) for found in checked(content, transfer_syntax, str(data_set.SOPClassUID))]


def checked(content: bytes, transfer_syntax: str, sop_class: str) -> tuple[Finding, ...]:
    """The findings of an encoded data set."""
    return check(io.BytesIO(b"meta" + content), 4, len(content), transfer_syntax, sop_class)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("name", [*MADE_BY_XELERIS, *SENT_ON])
def test_an_object_that_keeps_to_its_iod_has_no_finding(name: str, syntax: str) -> None:
    data_set = made(name)
    assert (name in MADE_BY_XELERIS) == (xeleris(data_set.SOPClassUID) is not None)
    assert standard(data_set.SOPClassUID) is not None
    assert findings(data_set, syntax) == []


def _samples() -> list[Instance]:
    return [
        instance
        for instance in storable_files(SAMPLES)
        if instance.path is not None and standard(instance.sop_class_uid)
    ]


def test_no_sample_is_taken_for_made_by_a_xeleris() -> None:
    samples = _samples()
    assert len(samples) > 90
    for sample in samples:
        found = checked(sample.data_set, sample.transfer_syntax_uid, sample.sop_class_uid)
        assert [finding for finding in found if finding.check == XELERIS] == []
