"""Objects as the product makes them (R149, R152 to R157): the gateway makes none, but finds what departs from them.

The findings are information and never change a status, so each object here is answered as PS3.3 alone asks.
"""

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.part10 import read_object
from tests.conformance.expected import EXPLICIT
from tests.conformance.whole import TITLE
from tests.ingest_process import IngestProcess
from tests.iod_mutations import code
from tests.stations import RawSender
from tests.xeleris_objects import NM_KINDS, made

Change = Callable[[Dataset], None]


def found(receiving: IngestProcess, data_set: Dataset) -> set[str]:
    """What is kept with an object sent: the findings of the tables of the Xeleris."""
    sop_class, uid = str(data_set.SOPClassUID), str(data_set.SOPInstanceUID)
    with RawSender(receiving.port, called_aet=TITLE, contexts=[(sop_class, EXPLICIT)]) as sender:
        status = sender.store(sop_class, uid, EXPLICIT, encoded(data_set))
    for key in receiving.stored():
        with receiving.objects.open(key) as source:
            receipt = read_object(source, key)
        if receipt.sop_instance_uid == uid:
            assert status == (0xB007 if any(each.startswith("S") for each in receipt.findings) else 0)
            return {each for each in receipt.findings if each.startswith("X")}
    raise AssertionError(f"{uid} is not kept")


def having(**elements: object) -> Change:
    """With other values."""

    def change(data_set: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(data_set, keyword, value)

    return change


def without(keyword: str) -> Change:
    """Without an element."""
    return lambda data_set: delattr(data_set, keyword)


def image_type(place: int, term: str) -> Change:
    """With another term in Image Type."""

    def change(data_set: Dataset) -> None:
        terms = list(data_set.ImageType)
        terms[place - 1] = term
        data_set.ImageType = terms

    return change


def proved(receiving: IngestProcess, name: str, seed: int, changes: list[tuple[Change, str]]) -> None:
    """As it is made it has no finding; changed, that one."""
    assert found(receiving, made(name, seed)) == set()
    for number, (change, finding) in enumerate(changes, start=1):
        data_set = made(name, seed + number)
        change(data_set)
        assert found(receiving, data_set) == {finding}, finding


@pytest.mark.requirement("R149")
def test_private_elements_are_known_by_creator_in_whatever_block(receiving: IngestProcess) -> None:
    """(gggg,xxnn): the same element in block 77, in its VR and in another."""

    def moved(vr: str) -> Change:
        def change(data_set: Dataset) -> None:
            data_set.private_block(0x0011, "GEMS_GENIE_1")
            del data_set.private_block(0x0011, "GEMS_GENIE_1")[0x12]
            data_set.add_new(0x00110077, "LO", "GEMS_GENIE_1")
            data_set.add_new(0x00117712, vr, "Text")

        return change

    proved(receiving, "SC", 12000, [(moved("SH"), "X vr 0011:GEMS_GENIE_1:12 dictionary")])
    kept = made("SC", 12009)
    moved("LO")(kept)
    assert found(receiving, kept) == set()


@pytest.mark.requirement("R152")
@pytest.mark.parametrize("kind", NM_KINDS)
def test_nm_image_type(receiving: IngestProcess, kind: str) -> None:
    """Each place has its terms, and value 3 decides what else is there."""
    needed = {
        **dict.fromkeys(("STATIC", "WHOLE BODY"), ("ActualFrameDuration", "1C-missing 00181242 3-27")),
        **dict.fromkeys(("DYNAMIC",), ("PhaseInformationSequence", "2C-missing 00540032 3-41")),
        **dict.fromkeys(("GATED", "GATED TOMO"), ("GatedInformationSequence", "2C-missing 00540062 3-39")),
        **dict.fromkeys(("TOMO",), ("RotationInformationSequence", "2C-missing 00540052 3-37")),
        **dict.fromkeys(("RECON TOMO", "RECON GATED TOMO"), ("SpacingBetweenSlices", "2C-missing 00180088 3-42")),
    }
    keyword, finding = needed[kind]
    changes = [(image_type(place, "OTHER"), "X value 00080008 3-27") for place in (1, 2, 4)]
    seed = 12100 + 10 * NM_KINDS.index(kind)
    proved(receiving, f"NM {kind}", seed, [*changes, (without(keyword), f"X type-{finding}")])


@pytest.mark.requirement("R152")
def test_no_ninth_kind_of_nm_image(receiving: IngestProcess) -> None:
    data_set = made("NM STATIC", 12200)
    image_type(3, "SPIRAL")(data_set)
    assert "X value 00080008 3-27" in found(receiving, data_set)


@pytest.mark.requirement("R153")
@pytest.mark.parametrize("kind", NM_KINDS)
def test_nm_frame_increment_pointer(receiving: IngestProcess, kind: str) -> None:
    """Without its last vector it is not that of the Image Type; PS3.3 has the same rule, and it finds it."""
    seed = 12300 + 10 * NM_KINDS.index(kind)
    data_set = made(f"NM {kind}", seed)
    pointer = data_set.FrameIncrementPointer
    assert found(receiving, data_set) == set()
    shorter = made(f"NM {kind}", seed + 1)
    shorter.FrameIncrementPointer = [Tag(0x00540010), Tag(0x00540100)] if isinstance(pointer, int) else pointer[:-1]
    found(receiving, shorter)
    (key,) = [each for each in receiving.stored() if _uid(receiving, each) == shorter.SOPInstanceUID]
    with receiving.objects.open(key) as source:
        assert "S frame-pointer 00280009 C.8.4.8" in read_object(source, key).findings


def _uid(receiving: IngestProcess, key: str) -> str:
    with receiving.objects.open(key) as source:
        return read_object(source, key).sop_instance_uid


@pytest.mark.requirement("R154")
def test_pet(receiving: IngestProcess) -> None:
    proved(
        receiving, "PET", 12400,
        [
            (having(SeriesType=["GATED", "IMAGE"]), "X value 00541000 4-3"),
            (having(SeriesType=["DYNAMIC", "IMAGE"]), "X value 00541000 4-3"),
            (having(SeriesType=["STATIC", "OTHER"]), "X value 00541000 4-3"),
            (image_type(1, "ORIGINAL"), "X value 00080008 4-11"),
            (image_type(2, "SECONDARY"), "X value 00080008 4-11"),
            (having(BitsAllocated=8), "X value 00280100 4-11"),
            (having(PhotometricInterpretation="MONOCHROME1"), "X value 00280004 4-11"),
            (having(RescaleIntercept="1"), "X value 00281052 4-11"),
        ],
    )  # fmt: skip


def sixteen_bits(data_set: Dataset) -> None:
    """With two bytes a sample, all of them there: what is too short is refused."""
    data_set.BitsAllocated, data_set.PixelData = 16, data_set.PixelData * 2


@pytest.mark.requirement("R155")
@pytest.mark.parametrize("name", ["SC", "MFSC grayscale", "MFSC color"])
def test_screen_saves(receiving: IngestProcess, name: str) -> None:
    changes = [
        (image_type(1, "ORIGINAL"), "X value 00080008 5-8"),
        (image_type(2, "PRIMARY"), "X value 00080008 5-8"),
        (having(ConversionType="SYN"), "X value 00080064 5-7"),
        (sixteen_bits, "X value 00280100 5-9"),
    ]
    seed = 12500 + 10 * ["SC", "MFSC grayscale", "MFSC color"].index(name)
    proved(receiving, name, seed, changes)
    if name != "SC":
        data_set = made(name, seed + 8)
        data_set.FrameIncrementPointer = Tag("FrameTimeVector")
        assert "X value 00280009 5-14" in found(receiving, data_set)
    if name == "MFSC color":
        data_set = made(name, seed + 9)
        data_set.PlanarConfiguration = 1
        assert found(receiving, data_set) == {"X value 00280006 5-9"}


@pytest.mark.requirement("R156")
def test_curves(receiving: IngestProcess) -> None:
    def curve(tag: int, vr: str, value: object) -> Change:
        return lambda data_set: data_set.add_new(tag, vr, value) and None

    proved(
        receiving, "Curve", 12600,
        [
            (curve(0x50000020, "CS", "ECG"), "X value 50000020 6-4"),
            (curve(0x50000103, "US", 0), "X value 50000103 6-4"),
        ],
    )  # fmt: skip
    for number, kind in enumerate(("TAC", "PROF", "HIST"), start=5):
        data_set = made("Curve", 12600 + number)
        data_set.add_new(0x50000020, "CS", kind)
        assert found(receiving, data_set) == set()


@pytest.mark.requirement("R157")
def test_pdf(receiving: IngestProcess) -> None:
    proved(
        receiving, "PDF", 12700,
        [
            (having(MIMETypeOfEncapsulatedDocument="text/xml"), "X value 00420012 9-6"),
            (having(ListOfMIMETypes=["application/pdf", "image/jpeg"]), "X value 00420014 9-6"),
            (having(ConceptNameCodeSequence=Items([code()])), "X not-empty 0040A043 9-6"),
            (having(VerificationFlag="VERIFIED"), "X value 0040A493 9-6"),
            (having(BurnedInAnnotation="YES"), "X value 00280301 9-6"),
            (having(SeriesDescription="Another report"), "X value 0008103E 9-3"),
        ],
    )  # fmt: skip
    data_set = made("PDF", 12709)
    data_set.SeriesDescription = "Q.Brain Report"
    assert found(receiving, data_set) == set()
