"""Objects that keep to their IOD have no finding, whole and in every encoding; real samples have only true ones."""

import tracemalloc
import zlib
from functools import partial
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.iods import STANDARD, explained
from services.dicom.iods.definitions import standard, xeleris
from tests.factories import Instance, storable_files
from tests.iod_mutations import checked, findings
from tests.xeleris_objects import MADE_BY_XELERIS, SENT_ON, made
from tests.yardstick import share_of_pydicom

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("name", [*MADE_BY_XELERIS, *SENT_ON])
def test_an_object_that_keeps_to_its_iod_has_no_finding(name: str, syntax: str) -> None:
    data_set = made(name)
    assert (name in MADE_BY_XELERIS) == (xeleris(data_set.SOPClassUID) is not None)
    assert standard(data_set.SOPClassUID) is not None
    assert findings(data_set, syntax) == []


def _samples() -> list[Instance]:
    return [sample for sample in storable_files(SAMPLES) if sample.path is not None and standard(sample.sop_class_uid)]


def test_the_samples_have_only_findings_that_are_true() -> None:
    """pydicom's samples: none is taken for made by a Xeleris, and what PS3.3 says of them was compared one by one."""
    samples = _samples()
    assert len(samples) > 90
    found: dict[str, list[str]] = {}
    for sample in samples:
        assert sample.path is not None
        for finding in checked(sample.data_set, sample.transfer_syntax_uid, sample.sop_class_uid):
            assert finding.check == STANDARD
            found.setdefault(sample.path.name, []).append(str(finding))
    without_an_image = {name: found.pop(name) for name in sorted(found) if name.startswith("IM0000")}
    assert {len(texts) for texts in without_an_image.values()} == {25}
    assert found.pop("GDCMJ2K_TextGBR.dcm") == [
        *("S type-2-missing 00100010 C.7.1.1", "S type-2-missing 00100020 C.7.1.1"),
        *("S type-2-missing 00100030 C.7.1.1", "S type-2-missing 00100040 C.7.1.1"),
        *("S type-2-missing 00080090 C.7.2.1", "S type-2-missing 00200010 C.7.2.1"),
        *("S type-2-missing 00080050 C.7.2.1", "S type-1-missing 00080060 C.7.3.1"),
        *("S type-2-missing 00200011 C.7.3.1", "S type-1-missing 00080064 C.8.6.1"),
        *("S type-2-missing 00200013 C.7.6.1", "S type-2C-missing 00200020 C.7.6.1"),
    ]
    empty_item = ["S type-1-missing 00082112/00081150 C.12.4", "S type-1-missing 00082112/00081155 C.12.4"]
    no_modality, unoriented = ["S type-1-missing 00080060 C.7.3.1"], ["S type-2C-missing 00200020 C.7.6.1"]
    assert found == {
        "693_J2KI.dcm": ["S type-1C-missing 00120063 C.7.1.1", "S type-1-missing 00200052 C.7.4.1"],
        "MR_small_padded.dcm": ["S pixel-length 7FE00010 C.7.6.3"],
        "SC_jpeg_no_color_transform.dcm": no_modality,
        "SC_jpeg_no_color_transform_2.dcm": no_modality,
        "SC_rgb_jpeg_app14_dcmd.dcm": no_modality,
        "SC_rgb_jpeg.dcm": ["S encoding 00080008 PS3.5:7.1", *unoriented],  # elements without VRs, and says JPEG
        "SC_rgb_jpeg_dcmd.dcm": unoriented,
        "SC_rgb_small_odd.dcm": empty_item,
        "SC_rgb_small_odd_big_endian.dcm": empty_item,
    }


def _from_elsewhere(name: str) -> Dataset:
    """An object without what a Xeleris says about itself."""
    data_set = made(name)
    data_set.remove_private_tags()
    data_set.InstanceCreatorUID, data_set.ManufacturerModelName = "1.2.3", "Other"
    return data_set


@pytest.mark.parametrize("conversion", ["SYN", "DI", "WSD", "DV", "SI"])
def test_a_capture_made_elsewhere_is_judged_by_the_standard_alone(conversion: str) -> None:
    data_set = _from_elsewhere("SC")
    data_set.ConversionType = conversion
    assert findings(data_set) == []


def test_a_gated_pet_made_elsewhere_is_judged_by_the_standard_alone() -> None:
    data_set = _from_elsewhere("PET")
    data_set.SeriesType = ["GATED", "IMAGE"]
    data_set.NumberOfRRIntervals, data_set.NumberOfTimeSlots = 1, 8
    data_set.TriggerTime, data_set.FrameTime, data_set.BeatRejectionFlag = "0", "100", "N"
    assert findings(data_set) == []


@pytest.mark.parametrize(
    ("creator", "marked", "maker", "model", "judged"),
    [
        ("1.2.840.113619.6.281", False, "Other", "Other", True),
        ("1.2.3", True, "GE MEDICAL SYSTEMS, NUCLEAR", "Xeleris 4.0", False),
        (None, False, "GE MEDICAL SYSTEMS, NUCLEAR", "Xeleris 4.0", True),
        (None, True, "4D-MSPECT", "XELERIS", True),
        (None, True, "GE MEDICAL SYSTEMS, NUCLEAR", "INFINIA", False),
        (None, False, "Other", "Xeleris", False),
    ],
)
def test_the_tables_of_the_xeleris_apply_where_the_creator_says_so(
    creator: str | None, marked: bool, maker: str, model: str, judged: bool
) -> None:
    data_set = _from_elsewhere("SC")
    data_set.ConversionType, data_set.InstanceCreatorUID = "SYN", creator
    data_set.Manufacturer, data_set.ManufacturerModelName = maker, model
    data_set.SecondaryCaptureDeviceManufacturerModelName = "Other"
    if creator is None:
        del data_set.InstanceCreatorUID
    if marked:
        data_set.private_block(0x0009, "GEMS_GENIE_1", create=True).add_new(0x01, "SH", "GEMS_GENIE")
    assert ("X value 00080064 5-7" in findings(data_set)) == judged
    assert any(finding.startswith("X") for finding in findings(data_set)) == judged


def test_a_class_without_tables_has_no_findings() -> None:
    assert checked(encoded(made("CT")), ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.6.1") == ()


@pytest.mark.parametrize("name", ["CT", "NM STATIC", "NM GATED TOMO"])
def test_a_check_takes_less_than_pydicom_takes_to_read(name: str) -> None:
    """0.6 to 8 ms where pydicom takes 1.4 to 24."""
    data_set = made(name)
    content, sop_class = encoded(data_set), str(data_set.SOPClassUID)
    checked(content, ExplicitVRLittleEndian, sop_class)  # the tables are read once
    work = partial(checked, content, ExplicitVRLittleEndian, sop_class)
    assert share_of_pydicom(work, content, ExplicitVRLittleEndian) < 0.7


@pytest.mark.parametrize(
    ("said", "encoded_as"),
    [(ExplicitVRLittleEndian, ImplicitVRLittleEndian), (ImplicitVRLittleEndian, ExplicitVRLittleEndian)],
)
@pytest.mark.parametrize("name", ["CT", "NM GATED TOMO"])
def test_the_encoding_of_another_transfer_syntax_is_found_once(name: str, said: str, encoded_as: str) -> None:
    """It is read all the same (PS3.5 7.1, A.1, A.2), and what it holds is judged."""
    data_set = made(name)
    sop_class, first = str(data_set.SOPClassUID), min(element.tag for element in data_set)
    finding = f"S encoding {first:08X} PS3.5:7.1"
    content = encoded(data_set, encoded_as)
    assert [str(found) for found in checked(content, said, sop_class)] == [finding]
    assert explained(finding).endswith(
        "is not encoded as the transfer syntax of its presentation context says (PS3.5:7.1)."
    )
    del data_set.Modality
    assert [found.path for found in checked(encoded(data_set, encoded_as), said, sop_class)][:2] == [
        f"{first:08X}",
        "00080060",
    ]


def test_one_element_without_a_vr_is_found() -> None:
    """Also where it stands in the midst of elements that have one."""
    data_set = made("CT")
    content = encoded(data_set)
    rows = content.index(b"\x28\x00\x10\x00US\x02\x00")
    mixed = content[: rows + 4] + b"\x02\0\0\0" + content[rows + 8 :]
    found = checked(mixed, ExplicitVRLittleEndian, str(data_set.SOPClassUID))
    assert [str(finding) for finding in found] == ["S encoding 00280010 PS3.5:7.1"]


def _deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def test_a_deflated_object_is_checked() -> None:
    data_set = made("NM GATED TOMO")
    sop_class = str(data_set.SOPClassUID)
    assert checked(_deflated(encoded(data_set)), DeflatedExplicitVRLittleEndian, sop_class) == ()
    del data_set.NumberOfDetectors
    found = checked(_deflated(encoded(data_set)), DeflatedExplicitVRLittleEndian, sop_class)
    assert [finding.path for finding in found] == ["00540021", "00540021"]


def test_nothing_is_missed_in_what_was_not_inflated() -> None:
    """Only the first MiB of a deflated data set is looked at; what lies beyond may have everything."""
    data_set = made("CT")
    data_set.add_new(0x00080001, "OB", bytes(2 << 20))
    assert checked(_deflated(encoded(data_set)), DeflatedExplicitVRLittleEndian, str(data_set.SOPClassUID)) == ()


@pytest.mark.large
def test_memory_does_not_grow_with_items() -> None:
    data_set = made("NM TOMO")
    sop_class = str(data_set.SOPClassUID)
    data_set.DetectorInformationSequence = Items(list(data_set.DetectorInformationSequence) * 2_000)
    content = encoded(data_set)
    tracemalloc.start()
    found = checked(content, ExplicitVRLittleEndian, sop_class)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [str(finding) for finding in found] == ["S item-count 00540022 C.8.4.11"]
    assert peak < len(content) + (2 << 20)
