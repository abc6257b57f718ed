"""The step deidentify: the basic application level confidentiality profile (PS3.15 E.2) with options (E.3).

What has to happen to each element is the table of the library dicom-anonymizer (PS3.15 table E.1-1); where the table
leaves a choice that depends on the IOD, the one that keeps every IOD whole is taken. It is applied in every item of
every sequence. Private elements go, but for those that are named to be kept.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from schemas.rules.steps import DeidentifyStep
from services.dicom.charsets import DEFAULT, Charset
from services.dicom.dictionary import tag_of
from services.dicom.transforming import uids
from services.dicom.transforming.edits import path_of
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.places import creator_of
from services.dicom.transforming.tree import DataSet, Element, Tree, described
from services.dicom.transforming.values import NUMBERS, encoded, texts_of

EDITION: Final = "2026c"
_DATABASE: Final = f"dicomanonymizer.dicom_anonymization_databases.dicomfields_{EDITION}"
_ACTIONS: Final = {
    "X_TAGS": "remove", "Z_TAGS": "empty", "X_Z_TAGS": "empty", "U_TAGS": "uid", "X_Z_U_STAR_TAGS": "uid",
    "D_TAGS": "dummy", "Z_D_TAGS": "dummy", "X_D_TAGS": "dummy", "X_Z_D_TAGS": "dummy",
}  # fmt: skip

_DUMMIES: Final = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), "ANONYMIZED"),
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "DS": "0",
    "IS": "0",
    "UR": "http://anonymized.invalid",
}
_FREE_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_TIMES: Final = frozenset({"DA", "TM", "DT"})

_PATIENT_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_STUDY_INSTANCE_UID: Final = 0x0020000D
_BURNED_IN: Final = 0x00280301
_IDENTITY_REMOVED, _METHOD, _METHOD_CODES, _TIMES_MODIFIED = 0x00120062, 0x00120063, 0x00120064, 0x00280303
_BASIC_PROFILE: Final = ("113100", "Basic Application Confidentiality Profile")
_CODES: Final = {
    "retain-uids": ("113110", "Retain UIDs Option"),
    "retain-full-dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "retain-device": ("113109", "Retain Device Identity Option"),
    "retain-institution": ("113112", "Retain Institution Identity Option"),
    "retain-patient-characteristics": ("113108", "Retain Patient Characteristics Option"),
}
"""CID 7050 (PS3.16)."""
_RETAINED: Final = {
    "retain-device": (
        "CassetteID", "DetectorID", "DeviceLabel", "DeviceSerialNumber", "DeviceUID", "GantryID", "GeneratorID",
        "ManufacturerDeviceClassUID", "PerformedStationAETitle", "PerformedStationName",
        "PerformedStationNameCodeSequence", "PlateID", "ScheduledStationAETitle", "ScheduledStationName",
        "ScheduledStationNameCodeSequence", "SourceSerialNumber", "StationName", "TreatmentMachineName",
    ),
    "retain-institution": (
        "InstitutionAddress", "InstitutionCodeSequence", "InstitutionName", "InstitutionalDepartmentName",
        "InstitutionalDepartmentTypeCodeSequence",
    ),
    "retain-patient-characteristics": (
        "EthnicGroup", "PatientAge", "PatientSex", "PatientSexNeutered", "PatientSize", "PatientWeight",
        "PregnancyStatus", "SmokingStatus",
    ),
}  # fmt: skip
"""What the options keep (K in their columns of table E.1-1); what would have to be cleaned goes as without them."""
_NOT_OF_THE_STUDY: Final = frozenset({0x00100030, 0x00100032, 0x00100033, 0x00100034})
"""Dates of birth and death: no option keeps them."""
_TIMEZONE: Final = 0x00080201


@dataclass(frozen=True)
class Table:
    """Actions by tag, and for ranges of tags (tag, mask)."""

    tags: Mapping[int, str]
    ranges: Mapping[tuple[int, int], str]

    def action(self, tag: int) -> str:
        """What the basic profile does to an element; empty: it stays."""
        found = self.tags.get(tag)
        if found is not None:
            return found
        return next((action for (like, mask), action in self.ranges.items() if (tag ^ like) & mask == 0), "")


@cache
def table() -> Table:
    """Table E.1-1 as the library has it."""
    # By name and here: only those who de-identify load it, and the library says nothing of its types.
    database = importlib.import_module(_DATABASE)
    tags: dict[int, str] = {}
    ranges: dict[tuple[int, int], str] = {}
    for name, action in _ACTIONS.items():
        for numbers in getattr(database, name):
            tag = numbers[0] << 16 | numbers[1]
            if len(numbers) == 2:
                tags[tag] = action
            else:
                ranges[tag, numbers[2] << 16 | numbers[3]] = action
    return Table(tags, ranges)


def deidentify(tree: Tree, step: DeidentifyStep, key: bytes) -> None:
    """Apply the profile and say so in the data set.

    Raises NotTransformable: annotations are burned in, or an element cannot be replaced without knowing what it says.
    """
    _check_burned_in(tree, step)
    work = _Deidentifier(tree, step, key)
    for data_set, using in tree.levels():
        work.data_set(data_set, using)
    _mark(tree.root, step)


class _Deidentifier:
    """One data set and all within it; what is left out is not entered."""

    def __init__(self, tree: Tree, step: DeidentifyStep, key: bytes) -> None:
        self._tree, self._step, self._key = tree, step, key
        self._table = table()
        self._own_class = uids.own_class(tree)
        self._kept = {(part.tag, part.creator) for tag in step.keep for part in path_of(tag)[-1:]}
        self._retained = {
            tag for option in step.options for keyword in _RETAINED.get(option, ()) if (tag := tag_of(keyword))
        }
        self._pseudonym = uids.pseudonym(key, step.project, self._identity())
        self._within_replaced: set[int] = set()
        """Items of sequences that have to be replaced: their text goes whatever the table says."""

    def data_set(self, data_set: DataSet, using: Charset) -> None:
        """Change one data set; what is within comes later."""
        replaced = id(data_set) in self._within_replaced
        self._remove_private(data_set, using)
        for tag, element in list(data_set.items()):
            action = self._action(tag, element)
            if not action and replaced and element.vr in _FREE_TEXT | _TIMES and not self._keeps(tag, element):
                action = "dummy"
            if element.items is not None and (replaced or action == "dummy"):
                self._within_replaced |= {id(item) for item in element.items}
            self._apply(action, data_set, tag, element)

    def _action(self, tag: int, element: Element) -> str:
        action = self._table.action(tag)
        return "" if action and self._keeps(tag, element) else action

    def _keeps(self, tag: int, element: Element) -> bool:
        options = self._step.options
        if tag in self._retained or (tag, "") in self._kept:
            return True
        if "retain-uids" in options and element.vr == "UI":
            return True
        dated = element.vr in _TIMES and tag not in _NOT_OF_THE_STUDY
        return "retain-full-dates" in options and (dated or tag == _TIMEZONE)

    def _apply(self, action: str, data_set: DataSet, tag: int, element: Element) -> None:
        if action == "remove":
            del data_set[tag]
        elif action in ("dummy", "empty") and tag in (_PATIENT_ID, _PATIENT_NAME):
            data_set[tag] = Element(element.vr, value=encoded(element.vr, [self._pseudonym], DEFAULT))
        elif action == "empty":
            data_set[tag] = Element(element.vr, value=None if element.items is not None else b"")
        elif action == "uid" and element.items is None:
            uids.renew_element(self._tree, tag, element, self._key, self._step.project, self._own_class)
        elif action == "dummy" and element.items is None:
            data_set[tag] = Element(element.vr, value=_dummy(tag, element))

    def _remove_private(self, data_set: DataSet, using: Charset) -> None:
        private = [tag for tag in data_set if tag & 0x10000]
        creators = {
            tag: creator_of(self._tree, tag, data_set[tag], using) for tag in private if 0x10 <= tag & 0xFFFF <= 0xFF
        }
        keep: set[int] = set()
        for tag in private:
            block = tag & 0xFFFF0000 | tag >> 8 & 0xFF
            if (tag & 0xFFFF00FF, creators.get(block, "")) in self._kept and tag & 0xFFFF > 0xFF:
                keep |= {tag, block}
        for tag in private:
            if tag not in keep:
                del data_set[tag]

    def _identity(self) -> str:
        """What tells the patient from others: the ID, else the study."""
        for tag in (_PATIENT_ID, _STUDY_INSTANCE_UID):
            element = self._tree.root.get(tag)
            raw = b"" if element is None else self._tree.raw(tag, element).strip(b"\0 ")
            if raw:
                return f"{tag:08X}\0{raw.decode('latin_1')}"
        return ""


def _dummy(tag: int, element: Element) -> bytes:
    if element.vr in NUMBERS:
        return encoded(element.vr, [0], DEFAULT)
    dummy = _DUMMIES.get(element.vr)
    if dummy is None:
        raise NotTransformable(f"{described(tag)} ({element.vr}) cannot be de-identified: nobody knows what it says")
    return encoded(element.vr, [dummy], DEFAULT)


def _check_burned_in(tree: Tree, step: DeidentifyStep) -> None:
    element = tree.root.get(_BURNED_IN)
    if element is None or step.burned_in:
        return
    if texts_of(tree.raw(_BURNED_IN, element), "CS", DEFAULT, "BurnedInAnnotation") == ["YES"]:
        raise NotTransformable(
            "BurnedInAnnotation is YES and pixels are not cleaned: burned_in: true in the rule sends it all the same"
        )


def _mark(root: DataSet, step: DeidentifyStep) -> None:
    """What was done, as PS3.15 E.1.1 wants it said."""
    codes = [_BASIC_PROFILE, *(_CODES[option] for option in sorted(set(step.options)))]
    if any(":" in tag or '"' in tag for tag in step.keep):
        codes.append(("113111", "Retain Safe Private Option"))
    dated = "retain-full-dates" in step.options
    root[_IDENTITY_REMOVED] = Element("CS", value=encoded("CS", ["YES"], DEFAULT))
    root[_METHOD] = Element("LO", value=encoded("LO", [f"PS3.15 {EDITION} Basic Profile"], DEFAULT))
    root[_TIMES_MODIFIED] = Element("CS", value=encoded("CS", ["UNMODIFIED" if dated else "REMOVED"], DEFAULT))
    sequence = root[_METHOD_CODES] = Element("SQ")
    sequence.items = [
        {
            0x00080100: Element("SH", value=encoded("SH", [code], DEFAULT)),
            0x00080102: Element("SH", value=encoded("SH", ["DCM"], DEFAULT)),
            0x00080104: Element("LO", value=encoded("LO", [meaning], DEFAULT)),
        }
        for code, meaning in codes
    ]
