"""One change to an object that keeps to its IOD has exactly its finding, and no other."""

from collections.abc import Iterator

import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.iods import explained, pixel_data_fault, stored
from services.dicom.iods.findings import RULES
from tests.iod_mutations import STANDARD, XELERIS, Mutation, checked, findings
from tests.xeleris_objects import made, standard_elements

MUTATIONS = (*STANDARD, *XELERIS)


@pytest.fixture(autouse=True)
def _values_are_written_as_they_are() -> Iterator[None]:
    with disable_value_validation():
        yield


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_has_exactly_its_finding(mutation: Mutation) -> None:
    assert sorted(findings(mutation.broken())) == sorted(mutation.findings)


def test_every_rule_has_a_mutation() -> None:
    tested = {finding.split(" ")[1] for mutation in MUTATIONS for finding in mutation.findings}
    assert set(RULES) - tested == {"length", "encoding"}  # no writer writes them: below, test_iods


def test_a_length_that_its_vr_does_not_allow() -> None:
    content = encoded(made("CT"))
    rows = content.index(b"\x28\x00\x10\x00US\x02\x00")
    odd = content[: rows + 6] + b"\x03\x00" + content[rows + 8 : rows + 10] + b"\0" + content[rows + 10 :]
    assert [str(found) for found in checked(odd, ExplicitVRLittleEndian, made("CT").SOPClassUID)] == [
        "S length 00280010 PS3.5:6.2"
    ]


def test_a_stored_finding_is_explained() -> None:
    assert explained("S type-1-missing 00540052/00181143 C.8.4.12") == (
        "RotationInformationSequence / ScanArc (0018,1143) is missing, but must be there and have a value (type 1) "
        "(PS3.3 C.8.4.12)."
    )
    assert explained("X value 0009:GEMS_GENIE_1:01 3-28") == (
        "Workstation DICOM data Identifier (0009,xx01) GEMS_GENIE_1 has a value that is not allowed there "
        "(Xeleris, table 3-28)."
    )
    assert explained("S value 50000103 2004:C.10.2").startswith("DataValueRepresentation (5000,0103) has")
    assert explained("+12") == "12 more findings are not stored."
    for mutation in MUTATIONS:
        for finding in mutation.findings:
            assert explained(finding) != finding


@pytest.mark.parametrize(
    "text", ["", "S", "S type-1-missing", "S nothing 00280010 C.1", "X value 0:0 3-28 more", "S vr é a"]
)
def test_what_is_no_finding_is_shown_as_it_is(text: str) -> None:
    assert isinstance(explained(text), str)


def test_the_faults_of_pixel_data_are_told_apart() -> None:
    faults = {
        mutation.name: pixel_data_fault(
            checked(encoded(mutation.broken()), ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.7")
        )
        for mutation in STANDARD
        if mutation.object == "SC" and "pixel data" in mutation.name
    }
    assert faults == {"no pixel data": "pixel-data-missing", "empty pixel data": "pixel-data-missing"}
    data_set = made("SC")
    data_set.Rows = 9
    short = checked(encoded(data_set), ExplicitVRLittleEndian, str(data_set.SOPClassUID))
    assert pixel_data_fault(short) == "pixel-data-short"
    assert pixel_data_fault(()) is None


def test_what_is_stored_is_short_and_holds_no_values() -> None:
    data_set = Dataset()
    data_set.PatientName, data_set.PatientSex, data_set.StudyDate = "Secret^Name", "secret", "secret"
    found = checked(encoded(data_set), ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.20")
    texts = stored(found)
    assert len(texts) > 30
    assert "ecret" not in "".join(texts)
    assert sum(len(text) + 3 for text in texts[:40]) <= 3072


def test_what_does_not_fit_is_counted() -> None:
    data_set = made("NM GATED TOMO")
    for path, holder, element in reversed(standard_elements(data_set)):
        if "/" in path or element.VR not in ("SQ", "OW"):
            del holder[element.tag]
    found = checked(encoded(data_set), ExplicitVRLittleEndian, str(made("NM STATIC").SOPClassUID)) * 3
    texts = stored(found)
    assert sum(len(text) + 3 for text in texts) <= 3072
    assert texts[-1] == f"+{len(found) - len(texts) + 1}"


@pytest.mark.parametrize("scheme", ["SRT", "99SDM", "SNM3"])
def test_older_names_of_a_coding_scheme_are_the_same(scheme: str) -> None:
    data_set = made("NM STATIC")
    data_set.PatientOrientationCodeSequence[0].CodingSchemeDesignator = scheme
    data_set.DetectorInformationSequence[0].ViewCodeSequence[0].CodingSchemeDesignator = scheme
    assert findings(data_set) == []


def test_a_code_of_another_scheme_is_another_code() -> None:
    data_set = made("NM STATIC")
    data_set.PatientOrientationCodeSequence[0].CodingSchemeDesignator = "99OTHER"
    assert findings(data_set) == ["X code 00540410 3-13"]
