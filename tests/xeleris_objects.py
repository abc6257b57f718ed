"""One object per IOD, made from the tables in schemas/dicom as R149 to R157 say, with every element those tables list.

The tables are read and their conditions judged here once more, apart from services.dicom.iods, whose tests use these
objects. CT, MR and Enhanced SR, which a Xeleris only sends on (R7), carry what PS3.3 requires.
"""

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag

from deploy.local.demo.nuclear_medicine import uid
from schemas.dicom.iods import Attribute, Attributes, Condition, Tables, standard_tables, xeleris_codes, xeleris_tables
from services.dicom.dictionary import private_vr

NM = "1.2.840.10008.5.1.4.1.1.20"
PET = "1.2.840.10008.5.1.4.1.1.128"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
GRAYSCALE_FRAMES = "1.2.840.10008.5.1.4.1.1.7.2"
TRUE_COLOR_FRAMES = "1.2.840.10008.5.1.4.1.1.7.4"
CURVE = "1.2.840.10008.5.1.4.1.1.9"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"

NM_KINDS = (
    *("STATIC", "DYNAMIC", "GATED", "WHOLE BODY"),
    *("TOMO", "GATED TOMO", "RECON TOMO", "RECON GATED TOMO"),
)
MADE_BY_XELERIS = (
    *(f"NM {kind}" for kind in NM_KINDS),
    *("PET", "SC", "MFSC grayscale", "MFSC color", "Curve", "PDF"),
)
SENT_ON = ("CT", "MR", "Enhanced SR")

_MATRIX = 8
_ACQUISITION_CONTEXT = "3-21"
_CARDIAC = (["GATED TOMO"], ["RECON GATED TOMO"])
"""The table that is used in cardiac SPECT images only, which nothing but the gating tells, and those images."""
_COUNTS = {
    "EnergyWindowVector": ("NumberOfEnergyWindows", 2),
    "DetectorVector": ("NumberOfDetectors", 2),
    "PhaseVector": ("NumberOfPhases", 1),
    "RotationVector": ("NumberOfRotations", 1),
    "RRIntervalVector": ("NumberOfRRIntervals", 1),
    "TimeSlotVector": ("NumberOfTimeSlots", 3),
    "SliceVector": ("NumberOfSlices", 4),
    "AngularViewVector": ("NumberOfFramesInRotation", 4),
    "TimeSliceVector": ("NumberOfFramesInPhase", 3),
}
_ITEMS = {
    "EnergyWindowInformationSequence": "NumberOfEnergyWindows",
    "DetectorInformationSequence": "NumberOfDetectors",
    "PhaseInformationSequence": "NumberOfPhases",
    "RotationInformationSequence": "NumberOfRotations",
    "GatedInformationSequence": "NumberOfRRIntervals",
    "TimeSlotInformationSequence": "NumberOfTimeSlots",
}
"""How many items sequences have (PS3.3 C.8.4.10 to C.8.4.14)."""
_LEFT_OUT = frozenset({"PatientPosition"})
"""Listed as type 3 (Tables 3-12 and 5-4), but PS3.3 C.7.3.1 forbids it beside the Patient Orientation Code Sequence."""
_PLAIN: dict[str, object] = {
    **{"DA": "20260102", "TM": "101112", "DT": "20260102101112", "AS": "050Y", "AE": "XELERIS"},
    **{"SH": "Text", "LO": "Text", "ST": "Text", "LT": "Text", "UT": "Text", "PN": "Name^Made", "CS": "TERM"},
    **{"IS": "1", "DS": "1", "US": 1, "SS": 1, "UL": 1, "SL": 1, "FL": 1.0, "FD": 1.0},
    **{"OB": b"\1\2", "OW": b"\1\2"},
}
_FITTING: dict[str, object] = {
    "PixelSpacing": [4, 4],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "ImagePositionPatient": [0, 0, 0],
    "PatientOrientation": "",
    "FieldOfViewDimensions": [400, 540],
    "FieldOfViewShape": "RECTANGLE",
    "ZoomCenter": [1, 1],
    "ZoomFactor": [1, 1],
    "BitsStored": 16,
    "HighBit": 15,
    "PositionReferenceIndicator": "",
    "ConversionType": "WSD",
    "ManufacturerModelName": "Xeleris",
    "Laterality": "L",
    "AcquisitionTerminationCondition": "TIME",
    "AcquisitionStartCondition": "MANU",
    "TypeOfDetectorMotion": "STEP AND SHOOT",
    "Modality": "NM",
    "ValueType": "CODE",
    "BodyPartExamined": "HEART",
    "ProtocolName": "Made",
    "AxialMash": [1, 1],
    "ReprojectionMethod": "SUM",
    "LossyImageCompression": "00",
    "RadiopharmaceuticalStopTime": "101113",
}


def made(name: str, seed: int = 1) -> Dataset:
    """The object of that name, one of MADE_BY_XELERIS or SENT_ON. The same seed makes the same object."""
    sop_class, begin = _BEGINNINGS[name.split(" ")[0] if name.startswith("NM ") else name]
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = sop_class, uid(seed, name)
    begin(data_set, name)
    tables = (_xeleris(), _standard()) if name in MADE_BY_XELERIS else (_standard(),)
    for place, table in enumerate(tables):
        _Maker(table, data_set, seed, whole=name in MADE_BY_XELERIS and not place).make(sop_class)
    if "ImageType" in data_set and sop_class == NM:
        _vectors(data_set)
    if "Rows" in data_set:
        _pixels(data_set)
    return data_set


class _Maker:
    """Puts into a data set what a file of tables lists: all of it (``whole``) or what is required."""

    def __init__(self, tables: Tables, main: Dataset, seed: int, *, whole: bool) -> None:
        self._tables, self._main, self._seed, self._whole = tables, main, seed, whole
        self._made = 0

    def make(self, sop_class: str) -> None:
        for name, usage in self._tables.iods[sop_class].modules.items():
            used = usage == "M" or (isinstance(usage, dict) and self._hold(usage, self._main))
            used |= name == _ACQUISITION_CONTEXT and list(self._main.ImageType)[2:3] in _CARDIAC
            if used:
                self._fill(self._main, self._tables.modules[name].attributes)

    def _fill(self, here: Dataset, attributes: Attributes) -> None:
        for name, attribute in attributes.items():
            found = _element(here, name)
            if found is None and name not in _LEFT_OUT and self._needed(attribute, here):
                self._add(here, name, attribute)
            elif found is not None and attribute.items and found.VR == "SQ":
                for item in found.value:
                    self._fill(item, self._items(attribute))

    def _needed(self, attribute: Attribute, here: Dataset) -> bool:
        if attribute.type == "3":
            return self._whole
        if attribute.type.endswith("C") and not attribute.when and not attribute.unless:
            return bool(attribute.codes)
        freed = any(self._hold({key: wanted}, here) for key, wanted in attribute.unless.items())
        return self._hold(attribute.when, here) and not freed

    def _hold(self, condition: Condition, here: Dataset) -> bool:
        for text, wanted in condition.items():
            name, _, position = text.removeprefix("/").partition(":")
            values = _values(self._main if text.startswith("/") else here, name)
            if isinstance(wanted, bool):
                if (values is not None) is not wanted:
                    return False
            elif not set((values or [])[int(position) - 1 : int(position)] if position else values or []) & {*wanted}:
                return False
        return True

    def _items(self, attribute: Attribute) -> Attributes:
        return self._tables.macros[attribute.items] if isinstance(attribute.items, str) else attribute.items or {}

    def _add(self, here: Dataset, name: str, attribute: Attribute) -> None:
        if ":" in name:
            group, creator, element = name.split(":")
            vr = private_vr(creator, int(group, 16), int(element, 16))
            block = here.private_block(int(group, 16), creator, create=True)
            block.add_new(int(element, 16), vr, self._value(here, name, vr, attribute))
            return
        tag = _tag(name)
        vr = dictionary_VR(tag).split(" or ")[-1].replace("SS", "US")
        here.add_new(tag, vr, self._value(here, name, vr, attribute))

    def _value(self, here: Dataset, name: str, vr: str, attribute: Attribute) -> Any:
        if attribute.values == []:
            return [] if vr == "SQ" else ""
        if vr == "SQ":
            return self._sequence(name, attribute)
        if attribute.values:
            if isinstance(attribute.values, dict):
                return [terms[0] for _, terms in sorted(attribute.values.items())]
            term = attribute.values[0]
            return float(term) if vr in ("FD", "FL") else int(term) if vr in ("US", "SL", "UL", "SS") else term
        if name in _FITTING:
            return _FITTING[name]
        self._made += 1
        return uid(self._seed, name, self._made) if vr == "UI" else _PLAIN[vr]

    def _sequence(self, name: str, attribute: Attribute) -> Items:
        items = []
        for _ in range(int(self._main.get(_ITEMS.get(name, ""), 1))):
            item = Dataset()
            if attribute.codes or attribute.items == "code":
                _code(item, attribute.codes)
            if name == "AcquisitionContextSequence":
                item.ValueType = "CODE"  # not in Table 3-21, but type 1 in PS3.3 today
            self._fill(item, self._items(attribute))
            items.append(item)
        return Items(items)


def _code(item: Dataset, table: str | None) -> None:
    value, scheme, meaning = xeleris_codes().tables[table][0] if table else ("121181", "DCM", "DICOM Object Catalog")
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning


def _tag(name: str) -> int:
    known = tag_for_keyword(name)
    return int(name, 16) if known is None else known


def _element(here: Dataset, name: str) -> Any:
    if ":" not in name:
        return here.get(_tag(name))
    group, creator, element = name.split(":")
    try:
        return here.private_block(int(group, 16), creator)[int(element, 16)]
    except KeyError:
        return None


def _values(here: Dataset, name: str) -> list[str] | None:
    element = _element(here, name)
    if element is None:
        return None
    values = element.value if element.VM > 1 else [element.value]
    return [f"{value:08X}" if element.VR == "AT" else str(value) for value in values]


def _nuclear(data_set: Dataset, name: str) -> None:
    kind = name.removeprefix("NM ")
    data_set.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    frames = _standard().iods[NM].frames
    assert frames is not None
    data_set.FrameIncrementPointer = [Tag(vector) for vector in frames.pointers[kind]]
    data_set.NumberOfEnergyWindows, data_set.NumberOfDetectors = 2, 2
    for vector in frames.pointers[kind]:
        count, number = _COUNTS[vector]
        if not count.startswith("NumberOfFramesIn"):
            setattr(data_set, count, number)
    combinations = 1
    for vector in frames.pointers[kind]:
        combinations *= _COUNTS[vector][1]
    data_set.NumberOfFrames = combinations
    _matrix(data_set, 16)


def _vectors(data_set: Dataset) -> None:
    """The vectors run through all combinations, the last one fastest (PS3.3 C.8.4.8.1)."""
    repeat = int(data_set.NumberOfFrames)
    frames = _standard().iods[NM].frames
    assert frames is not None
    for vector in frames.pointers[data_set.ImageType[2]]:
        number = _COUNTS[vector][1]
        repeat //= number
        frame_values = [frame // repeat % number + 1 for frame in range(int(data_set.NumberOfFrames))]
        setattr(data_set, vector, frame_values)
    for sequence, count in (
        ("RotationInformationSequence", "NumberOfFramesInRotation"),
        ("PhaseInformationSequence", "NumberOfFramesInPhase"),
    ):
        for item in data_set.get(sequence, []):
            setattr(item, count, 4 if "Rotation" in count else 3)


def _positron(data_set: Dataset, _: str) -> None:
    data_set.ImageType = ["DERIVED", "PRIMARY"]
    data_set.Modality, data_set.DecayCorrection, data_set.Units = "PT", "NONE", "BQML"
    data_set.NumberOfSlices, data_set.ImageIndex = 1, 1
    _matrix(data_set, 16)


def _capture(data_set: Dataset, name: str) -> None:
    if name.endswith("color"):
        data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 3, "RGB"
    if name != "SC":
        data_set.NumberOfFrames = 3
        data_set.FrameIncrementPointer = Tag("FrameTime")
    _matrix(data_set, 8)


def _curve(data_set: Dataset, _: str) -> None:
    points = [float(point * point) for point in range(8)]
    data_set.add_new(0x50000005, "US", 1)
    data_set.add_new(0x50000010, "US", len(points))
    data_set.add_new(0x50003000, "OW", struct.pack(f"<{len(points)}d", *points))


def _document(data_set: Dataset, _: str) -> None:
    data_set.EncapsulatedDocument = b"%PDF-1.4\n%%EOF\n\0"


def _sliced(data_set: Dataset, name: str) -> None:
    data_set.Modality, data_set.PatientPosition, data_set.BodyPartExamined = name, "HFS", "CHEST"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if name == "CT" else "OTHER"]
    data_set.ScanOptions = ""
    if name == "MR":
        data_set.SequenceVariant = "NONE"
    _matrix(data_set, 16)


def _report(data_set: Dataset, _: str) -> None:
    concept = Dataset()
    _code(concept, None)
    text = Dataset()
    text.RelationshipType, text.ValueType, text.TextValue = "CONTAINS", "TEXT", "Text"
    text.ConceptNameCodeSequence = Items([concept])
    data_set.ContentSequence = Items([text])


_BEGINNINGS: Mapping[str, tuple[str, Callable[[Dataset, str], None]]] = {
    "NM": (NM, _nuclear),
    "PET": (PET, _positron),
    "SC": (SECONDARY_CAPTURE, _capture),
    "MFSC grayscale": (GRAYSCALE_FRAMES, _capture),
    "MFSC color": (TRUE_COLOR_FRAMES, _capture),
    "Curve": (CURVE, _curve),
    "PDF": (PDF, _document),
    "CT": (CT, _sliced),
    "MR": (MR, _sliced),
    "Enhanced SR": (ENHANCED_SR, _report),
}


def _matrix(data_set: Dataset, bits: int) -> None:
    data_set.Rows = data_set.Columns = _MATRIX
    data_set.BitsAllocated = data_set.BitsStored = bits
    data_set.HighBit, data_set.PixelRepresentation = bits - 1, 0
    if "PhotometricInterpretation" not in data_set:
        data_set.PhotometricInterpretation = "MONOCHROME2"


def _pixels(data_set: Dataset) -> None:
    frames, samples = int(data_set.get("NumberOfFrames", 1)), int(data_set.SamplesPerPixel)
    size = _MATRIX * _MATRIX * frames * samples * data_set.BitsAllocated // 8
    data_set.add_new("PixelData", "OW" if data_set.BitsAllocated == 16 else "OB", bytes(size))


@cache
def _standard() -> Tables:
    return standard_tables()


@cache
def _xeleris() -> Tables:
    return xeleris_tables()


def standard_elements(data_set: Dataset, path: str = "") -> list[tuple[str, Dataset, DataElement]]:
    """All standard elements, those of the first items of sequences too: path of keywords, data set and element."""
    found = []
    for element in data_set:
        if not element.tag.is_private:
            name = path + (element.keyword or f"{element.tag:08X}")
            found.append((name, data_set, element))
            if element.VR == "SQ" and element.value:
                found += standard_elements(element.value[0], f"{name}/")
    return found
