"""Ways to break an object of tests/xeleris_objects.py, each with exactly the findings it must have.

``dciodvfy`` says whether that program (dicom3tools) knows the error too.
"""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.facts import read_header
from services.dicom.iods import Finding, check
from tests.xeleris_objects import made

Break = Callable[[Dataset], None]
CHARSET = Tag("SpecificCharacterSet")


def findings(data_set: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> list[str]:
    """The findings of a data set as stored."""
    content = encoded(data_set, transfer_syntax)
    read_header(io.BytesIO(content), 0, len(content), transfer_syntax)
    return [str(found) for found in checked(content, transfer_syntax, str(data_set.SOPClassUID))]


def checked(content: bytes, transfer_syntax: str, sop_class: str) -> tuple[Finding, ...]:
    """The findings of an encoded data set."""
    return check(io.BytesIO(b"meta" + content), 4, len(content), transfer_syntax, sop_class)


class Pieces:
    """An object whose top-level elements are encoded once: hundreds of its mutations differ in one of them each."""

    def __init__(self, data_set: Dataset) -> None:
        self._data_set = data_set
        self._pieces = {tag: self._encoded(tag) for tag in sorted(data_set.keys())}
        assert self._joined(self._pieces) == encoded(data_set), "an element is encoded otherwise when it stands alone"

    def encoded(self, changed: Dataset, tag: int) -> bytes:
        """The object as it is now, of which only element ``tag`` of ``changed`` (itself, or some item) has changed."""
        top = BaseTag(tag) if changed is self._data_set else self._holding(changed)
        if top == CHARSET:
            return encoded(self._data_set)
        return self._joined(self._pieces | {top: self._encoded(top)})

    def _holding(self, item: Dataset) -> BaseTag:
        return next(element.tag for element in self._data_set if element.VR == "SQ" and _holds(element.value, item))

    def _encoded(self, tag: BaseTag) -> bytes:
        """An element alone, in the object's character set; nothing if it is not there."""
        if tag not in self._data_set:
            return b""
        alone, before = Dataset(), b""
        if CHARSET in self._data_set and tag != CHARSET:
            alone[CHARSET] = self._data_set[CHARSET]
            before = encoded(alone)
        alone[tag] = self._data_set[tag]
        whole = encoded(alone)
        return whole.removeprefix(before) if tag > CHARSET else whole.removesuffix(before)

    def _joined(self, pieces: dict[BaseTag, bytes]) -> bytes:
        return b"".join(pieces[tag] for tag in sorted(pieces))


def _holds(items: Iterable[Dataset], wanted: Dataset) -> bool:
    return any(
        item is wanted or any(element.VR == "SQ" and _holds(element.value, wanted) for element in item)
        for item in items
    )


@dataclass(frozen=True)
class Mutation:
    """One way to break one object."""

    name: str
    object: str
    break_it: Break
    findings: tuple[str, ...]
    dciodvfy: bool = True

    def broken(self) -> Dataset:
        """The object, broken, whatever pydicom thinks of the value."""
        data_set = made(self.object)
        with disable_value_validation():
            self.break_it(data_set)
        return data_set


def without(keyword: str) -> Break:
    """Without an element."""
    return lambda data_set: delattr(data_set, keyword)


def having(keyword: str, value: object) -> Break:
    """With another value."""
    return lambda data_set: setattr(data_set, keyword, value)


def of_vr(keyword: str, vr: str, value: object) -> Break:
    """With another VR."""

    def break_it(data_set: Dataset) -> None:
        tag = data_set[keyword].tag
        del data_set[tag]
        data_set.add_new(tag, vr, value)

    return break_it


def inside(*path: str, do: Break) -> Break:
    """Broken in the first item of a sequence, at any depth."""

    def break_it(data_set: Dataset) -> None:
        for keyword in path:
            data_set = data_set[keyword].value[0]
        do(data_set)

    return break_it


def of_private(group: int, creator: str, element: int, value: object, vr: str | None = None) -> Break:
    """With another value, or VR, of a private element."""

    def break_it(data_set: Dataset) -> None:
        block = data_set.private_block(group, creator)
        found = block[element]
        block.add_new(element, vr or found.VR, value)

    return break_it


def shorter(by: int) -> Break:
    """With pixel data shorter, or longer when negative."""

    def break_it(data_set: Dataset) -> None:
        pixels = data_set.PixelData
        data_set.PixelData = pixels[:-by] if by > 0 else pixels + bytes(-by)

    return break_it


def set_item(keyword: str, place: int, value: object) -> Break:
    """With one of several values changed."""

    def break_it(data_set: Dataset) -> None:
        values = list(data_set[keyword].value)
        values[place] = value
        setattr(data_set, keyword, values)

    return break_it


def one_item_more(*path: str, keyword: str) -> Break:
    """With the last item of a sequence twice."""
    return inside(*path, do=lambda data_set: data_set[keyword].value.append(data_set[keyword].value[-1]))


def code() -> Dataset:
    """A code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "121181", "DCM", "DICOM Object Catalog"
    return item


STANDARD = (
    Mutation("type 1 missing", "CT", without("Rows"), ("S type-1-missing 00280010 C.7.6.3",)),
    Mutation("type 1 empty", "CT", having("ImagePositionPatient", ""), ("S type-1-empty 00200032 C.7.6.2",)),
    Mutation("type 1 of blanks", "CT", having("FrameOfReferenceUID", ""), ("S type-1-empty 00200052 C.7.4.1",)),
    Mutation("type 2 missing", "MR", without("EchoTime"), ("S type-2-missing 00180081 C.8.3.1",)),
    Mutation(
        "type 1C missing", "MFSC color", without("FrameTime"),
        ("S type-1C-missing 00181063 C.7.6.6", "X type-1C-missing 00181063 5-12"),
    ),
    Mutation(
        "type 1C empty", "NM STATIC", having("ActualFrameDuration", None),
        ("S type-1C-empty 00181242 C.8.4.9", "X type-1C-empty 00181242 3-27"),
    ),
    Mutation(
        "type 2C missing", "NM WHOLE BODY", without("ScanLength"),
        ("S type-2C-missing 00181302 C.8.4.9", "X type-2C-missing 00181302 3-27"),
    ),
    Mutation("type 2C by the class", "CT", without("PatientPosition"), ("S type-2C-missing 00185100 C.7.3.1",)),
    Mutation("type 2C by absence", "SC", without("PatientOrientation"), ("S type-2C-missing 00200020 C.7.6.1",)),
    Mutation(
        "module by its condition", "NM RECON TOMO", without("SpacingBetweenSlices"),
        ("S type-2C-missing 00180088 C.8.4.15", "X type-2C-missing 00180088 3-42"),
    ),
    Mutation(
        "in an item", "NM TOMO", inside("RotationInformationSequence", do=without("ScanArc")),
        ("S type-1-missing 00540052/00181143 C.8.4.12", "X type-1-missing 00540052/00181143 3-37"),
    ),
    Mutation(
        "in an item of an item", "NM GATED",
        inside("GatedInformationSequence", "DataInformationSequence", do=without("FrameTime")),
        ("S type-1-missing 00540062/00540063/00181063 C.8.4.13", "X type-1-missing 00540062/00540063/00181063 3-39"),
        dciodvfy=False,
    ),
    Mutation(
        "in a macro", "PET",
        inside("RadiopharmaceuticalInformationSequence", "RadionuclideCodeSequence", do=without("CodeMeaning")),
        ("S type-1-missing 00540016/00540300/00080104 C.8.9.2",),
    ),
    Mutation(
        "in a content item", "Enhanced SR", inside("ContentSequence", do=without("TextValue")),
        ("S type-1C-missing 0040A730/0040A160 C.17.3",),
    ),
    Mutation(
        "a value by position", "NM DYNAMIC", set_item("ImageType", 1, "SECONDARY"),
        ("S value 00080008 C.8.4.9", "X value 00080008 3-27"),
    ),
    Mutation(
        "a value", "PDF", having("BurnedInAnnotation", "MAYBE"),
        ("S value 00280301 C.24.2", "X value 00280301 9-6"),
    ),
    Mutation(
        "a number", "CT", having("BitsAllocated", 32),
        ("S pixel-data-short 7FE00010 C.7.6.3", "S value 00280100 C.8.2.1"), dciodvfy=False,
    ),
    Mutation(
        "a decimal", "PET", having("RescaleIntercept", "1"),
        ("S value 00281052 C.8.9.4", "X value 00281052 4-11"),
    ),
    Mutation(
        "a value of the curve", "Curve", lambda data_set: data_set.add_new(0x50000103, "US", 9),
        ("S value 50000103 2004:C.10.2", "X value 50000103 6-4"), dciodvfy=False,
    ),
    Mutation("VR", "MR", of_vr("PatientSex", "LO", "M"), ("S vr 00100040 PS3.6",), dciodvfy=False),
    Mutation(
        "VR in an item", "NM TOMO",
        inside("DetectorInformationSequence", do=of_vr("CollimatorType", "SH", "PARA")),
        ("S vr 00540022/00181181 PS3.6",), dciodvfy=False,
    ),
    Mutation("date", "CT", having("StudyDate", "2026-1-2"), ("S format 00080020 PS3.5:6.2",)),
    Mutation("time", "MR", having("StudyTime", "25:00"), ("S format 00080030 PS3.5:6.2",)),
    Mutation("UID", "CT", having("StudyInstanceUID", "1.2.x"), ("S format 0020000D PS3.5:6.2",)),
    Mutation("code string", "CT", having("Modality", "ct"), ("S format 00080060 PS3.5:6.2",)),
    Mutation(
        "decimal string", "CT", having("SliceThickness", "2.500000000000000001"), ("S format 00180050 PS3.5:6.2",)
    ),
    Mutation(
        "items counted", "NM STATIC", one_item_more(keyword="DetectorInformationSequence"),
        ("S item-count 00540022 C.8.4.11",), dciodvfy=False,
    ),
    Mutation(
        "items counted in the main data set", "NM GATED TOMO",
        one_item_more("GatedInformationSequence", "DataInformationSequence", keyword="TimeSlotInformationSequence"),
        ("S item-count 00540062/00540063/00540072 C.8.4.13",), dciodvfy=False,
    ),
    Mutation("high bit", "CT", having("HighBit", 11), ("S bits 00280102 C.7.6.3",)),
    Mutation(
        "bits stored", "PET", having("BitsStored", 17),
        ("S bits 00280101 C.7.6.3", "S value 00280101 C.8.9.4", "X value 00280101 4-11"),
    ),
    Mutation("no pixel data", "SC", without("PixelData"), ("S pixel-data-missing 7FE00010 C.7.6.3",)),
    Mutation("empty pixel data", "SC", having("PixelData", b""), ("S pixel-data-missing 7FE00010 C.7.6.3",)),
    Mutation("short pixel data", "NM GATED", shorter(2), ("S pixel-data-short 7FE00010 C.7.6.3",)),
    Mutation("long pixel data", "MFSC color", shorter(-2), ("S pixel-length 7FE00010 C.7.6.3",)),
    Mutation(
        "more columns than pixels", "MR", having("Columns", 9), ("S pixel-data-short 7FE00010 C.7.6.3",)
    ),
    Mutation(
        "vector of another length", "NM TOMO", having("AngularViewVector", [1, 2, 3]),
        ("S vector-length 00540090 C.8.4.8",), dciodvfy=False,
    ),
    Mutation(
        "vector beyond its count", "NM DYNAMIC", set_item("PhaseVector", 0, 2),
        ("S vector-value 00540030 C.8.4.8",), dciodvfy=False,
    ),
    Mutation(
        "vector beyond the count of an item", "NM TOMO", set_item("AngularViewVector", 0, 5),
        ("S vector-value 00540090 C.8.4.8",), dciodvfy=False,
    ),
    Mutation(
        "vector with a zero", "NM RECON TOMO", set_item("SliceVector", 0, 0),
        ("S vector-value 00540080 C.8.4.8",), dciodvfy=False,
    ),
    Mutation(
        "pointer of another Image Type", "NM GATED TOMO",
        having("FrameIncrementPointer", [Tag(0x00540010), Tag(0x00540020), Tag(0x00540060), Tag(0x00540070)]),
        ("S frame-pointer 00280009 C.8.4.8",),
    ),
)  # fmt: skip

XELERIS = (
    Mutation("constant", "SC", having("ConversionType", "SYN"), ("X value 00080064 5-7",)),
    Mutation(
        "dynamic PET", "PET", set_item("SeriesType", 0, "DYNAMIC"),
        ("S type-1C-missing 00540101 C.8.9.1", "X value 00541000 4-3"),
    ),
    Mutation("always empty", "SC", having("PatientOrientation", ["L", "P"]), ("X not-empty 00200020 5-8",)),
    Mutation(
        "sequence always empty", "PDF", having("ConceptNameCodeSequence", [code()]), ("X not-empty 0040A043 9-6",)
    ),
    Mutation("always sent", "PDF", without("SeriesDescription"), ("X type-1-missing 0008103E 9-3",)),
    Mutation(
        "stricter than PS3.3", "NM STATIC", without("WindowCenter"),
        ("S type-1C-missing 00281050 C.11.2", "X type-1-missing 00281050 3-46"),
    ),
    Mutation(
        "code", "NM STATIC",
        inside("PatientOrientationCodeSequence", do=having("CodeValue", "F-99999")),
        ("X code 00540410 3-13",),
    ),
    Mutation(
        "code in an item", "PET",
        inside("RadiopharmaceuticalInformationSequence", "RadionuclideCodeSequence", do=having("CodeValue", "C-1")),
        ("X code 00540016/00540300 4-4",),
    ),
    Mutation(
        "private constant", "NM STATIC", of_private(0x0009, "GEMS_GENIE_1", 0x01, "OTHER"),
        ("X value 0009:GEMS_GENIE_1:01 3-28",),
    ),
    Mutation(
        "private term", "Curve", lambda data_set: data_set.add_new(0x50000020, "CS", "OTHER"), ("X value 50000020 6-4",)
    ),
    Mutation(
        "private VR", "NM STATIC", of_private(0x0011, "GEMS_GENIE_1", 0x14, "Text", vr="SH"),
        ("X vr 0011:GEMS_GENIE_1:14 dictionary",),
    ),
    Mutation(
        "dataset type of another IOD", "PET", of_private(0x0011, "GEMS_GENIE_1", 0x13, 43),
        ("X value 0011:GEMS_GENIE_1:13 4-14",),
    ),
)  # fmt: skip
"""What only the tables of the Xeleris know; dciodvfy is not asked."""
