"""What the IOD check has to find, from a second writing of its tables that the gateway does not read: tests/tables.

``xeleris_tables.csv`` and ``xeleris_rules.csv`` are sections 3 to 6 and 9 of GE Direction 5357330-1EN by tag, row for
row and in its words: which tables an IOD uses, and of each attribute its type, how it is filled, its terms, codes and
condition. ``xeleris_codes.csv`` are its code tables.

``standard_rules.csv`` and ``standard_terms.csv`` are what PS3.3 asks of each attribute of the objects of
tests/xeleris_objects.py: what is found when it is missing and when it is empty, and its terms by place (0: any). Types
1 and 2 of required modules were compared with the tables of PS3.3 that the package highdicom 0.28 carries, and agree
but for Code Meaning, which the older code macro of the NM modules leaves optional, and for the retired curve, which is
of PS3.3 2004. Conditions and terms have no such other source: there the files hold what was judged right once, so that
none is lost unseen.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pydicom.dataset import Dataset

TABLES = Path(__file__).with_name("tables")

READINGS: dict[tuple[str, str], dict[str, str]] = {
    ("3-9", "00080060"): {"terms": "NM|PT|OT"},  # PET uses the table too (Table 4-2)
    ("3-13", "00540410/00540412"): {"type": "2"},  # "always present when (0054,0410) has an item": it is in that item
    ("3-27", "00280051"): {"terms": "ATTN|ATT_MEASURED|ATT_CHANG0|ATT_CHANGO|SCAT"},  # notes B6
    ("5-7", "00080060"): {"type": "1"},  # notes C21: listed twice, the stricter type holds
    ("5-14", "00280009"): {"type": "1", "terms": "00181063"},  # notes C19
    ("6-4", "50000030"): {"terms": "SEC|CNTS|BPM|DEG|GM|M2|GMM2"},  # notes C14
    ("9-6", "00420014"): {"terms": "1=image/jpeg;2=application/pdf"},
    **{(table, "00080005"): {"terms": "ISO_IR 100|ISO_IR 101"} for table in ("3-47", "4-13", "5-11", "6-6", "9-7")},
}
"""Where the tables of the gateway read a row of the statement otherwise than its words say, and why."""

NOT_TAKEN = {
    **{(table, "7FE00010"): "pixel data is the standard check's" for table in ("3-20", "4-9", "5-9")},
    **{(table, "00200013"): "Instance Number is type 2 in the table of the image" for table in ("3-47", "4-13")},
    **{(table, "00200013"): "Instance Number stands in the table of the image" for table in ("5-11", "9-7")},
}
"""Rows of the statement that the tables of the gateway leave out, and why."""

UNDECIDABLE = {
    "": "the statement gives no condition, and PS3.3's needs a person (laterality, temporal relation)",
    "required if the procedure was scheduled, optional otherwise": "nothing in the object says whether it was",
    "required if the procedure was scheduled": "nothing in the object says whether it was",
    "when the concept name calls for a coded value": "only the meaning of the name says so",
    "absent with the default repertoire (ISO 646); present when extended characters are used": "values are not judged",
    "MFSC IODs only": "says where it may be, not where it must",
}
"""Conditions of 1C and 2C of which no absence is found, and why."""

MODULES_UNDECIDABLE = {
    "object made by the 4DM SPECT processing protocol": "nothing in the object says which protocol made it",
}
CARDIAC_SPECT = "cardiac SPECT images only"


@dataclass(frozen=True)
class Row:
    """A row of a module table: attribute as path of keys, type (3 where the table has none), terms by place."""

    table: str
    attribute: str
    type: str
    terms: dict[int, frozenset[str]] | None
    codes: str
    condition: str


@dataclass(frozen=True)
class Wanted:
    """The findings that an attribute must have when it is missing, and when it is empty."""

    missing: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()

    def __or__(self, other: "Wanted") -> "Wanted":
        return Wanted(self.missing | other.missing, self.empty | other.empty)


def read(name: str) -> list[dict[str, str]]:
    """The rows of one file of tests/tables."""
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def xeleris_rows() -> dict[tuple[str, str], Row]:
    """The rows of the statement as read, by table and attribute."""
    rows = {}
    for written in read("xeleris_rules.csv"):
        key = (written["table"], written["attribute"])
        if written["filled"] == "not used" or key in NOT_TAKEN:
            continue
        kind = "1" if written["filled"] == "always" else written["type"] or "3"
        terms = "EMPTY" if written["filled"] == "always empty" else written["terms"]
        read_as = {"type": kind, "terms": terms} | READINGS.get(key, {})
        rows[key] = Row(*key, read_as["type"], _terms(read_as["terms"]), written["codes"], written["condition"])
    return rows


def _terms(text: str) -> dict[int, frozenset[str]] | None:
    if text in ("", "EMPTY"):
        return {0: frozenset()} if text else None
    if "=" not in text:
        return {0: frozenset(text.split("|"))}
    places = (place.split("=") for place in text.split(";"))
    return {int(place): frozenset(terms.split("|")) for place, terms in places}


def xeleris_rules(data_set: Dataset) -> dict[str, Row]:
    """What the tables that the statement uses for this object ask of each attribute; later tables win."""
    rules: dict[str, Row] = {}
    for used in read("xeleris_tables.csv"):
        if used["sop_class"] == data_set.SOPClassUID and _used(used, data_set):
            conditional = bool(used["image_types"] or used["condition"])
            for row in (row for (table, _), row in xeleris_rows().items() if table == used["table"]):
                later = _as_used(row) if conditional else row
                earlier = rules.get(row.attribute)
                rules[row.attribute] = later if earlier is None else _stricter(earlier, later)
    return rules


def _as_used(row: Row) -> Row:
    """A row of a table that is used under a condition, which holds."""
    if row.type not in ("1", "2") or "/" in row.attribute:
        return row
    return replace(row, type=f"{row.type}C", condition="ALWAYS")


def _used(used: dict[str, str], data_set: Dataset) -> bool:
    if used["image_types"]:
        return data_set.ImageType[2] in used["image_types"].split("|")
    if used["condition"] == CARDIAC_SPECT:
        return data_set.ImageType[2] in ("GATED TOMO", "RECON GATED TOMO") and data_set.TriggerSourceOrType == "EKG"
    return True


def _stricter(earlier: Row, later: Row) -> Row:
    """Of an attribute that two tables list: type 3 takes nothing back (notes C21), terms are those of the later."""
    row = earlier if later.type == "3" else later
    terms = earlier.terms if later.terms is None else later.terms
    return Row(row.table, row.attribute, row.type, terms, later.codes or earlier.codes, row.condition)


CONDITIONS: list[tuple[str, Callable[[Dataset, str], bool]]] = [
    ("ALWAYS", lambda data_set, _: True),
    (r"when Frame Increment Pointer lists \((....),(....)\) .*", lambda data_set, tag: _points(data_set, tag)),
    (r"required when Frame Increment Pointer points to Frame Time", lambda data_set, _: _points(data_set, "00181063")),
    (r"when Image Type value 3 is ((?!not).*)", lambda data_set, kinds: _kind(data_set) in _listed(kinds)),
    (r"when Image Type value 4 is TRANSMISSION and value 3 is not (.*)",
     lambda data_set, kinds: data_set.ImageType[3] == "TRANSMISSION" and _kind(data_set) not in _listed(kinds)),
    (r"when Image Type value 4 is TRANSMISSION", lambda data_set, _: data_set.ImageType[3] == "TRANSMISSION"),
    (r"empty for step-and-shoot WHOLE BODY .*", lambda data_set, _: _kind(data_set) == "WHOLE BODY"),
    (r"required when \(0054,0210\) is present",
     lambda data_set, _: "TriggerVector" in data_set.PhaseInformationSequence[0]),
    (r"required when Series Type value 2 is REPROJECTION",
     lambda data_set, _: data_set.SeriesType[1] == "REPROJECTION"),
    (r"required when Decay Correction \(0054,1102\) is not NONE",
     lambda data_set, _: data_set.DecayCorrection != "NONE"),
    (r"required when \(0028,3010\) is absent", lambda data_set, _: "VOILUTSequence" not in data_set),
    (r"required when \(0028,1050\) is sent", lambda data_set, _: "WindowCenter" in data_set),
    (r"RGB only", lambda data_set, _: data_set.PhotometricInterpretation == "RGB"),
    (r"required when MONOCHROME2 and Bits Stored > 1",
     lambda data_set, _: data_set.PhotometricInterpretation == "MONOCHROME2" and data_set.BitsStored > 1),
]  # fmt: skip
"""The conditions of 1C and 2C in the statement's words, and whether they hold for an object."""


def holds(condition: str, data_set: Dataset) -> bool:
    """Whether a condition of the statement holds. Raises LookupError for one that is neither known nor undecidable."""
    if condition in UNDECIDABLE:
        return False
    for pattern, decide in CONDITIONS:
        if match := re.fullmatch(pattern, condition):
            return decide(data_set, "".join(match.groups()))
    raise LookupError(f"{condition}: not in CONDITIONS and not in UNDECIDABLE")


def _points(data_set: Dataset, tag: str) -> bool:
    pointer = data_set.FrameIncrementPointer
    return int(tag, 16) in ([pointer] if isinstance(pointer, int) else pointer)


def _listed(kinds: str) -> list[str]:
    return re.split(", | or ", kinds)


def _kind(data_set: Dataset) -> str:
    return str(data_set.ImageType[2])


def wanted(name: str, data_set: Dataset) -> dict[str, Wanted]:
    """By attribute what both checks must find in the object of that name, a Xeleris one or not."""
    found = {
        row["attribute"]: Wanted(_finding("S", row, "missing"), _finding("S", row, "empty"))
        for row in _of("standard_rules.csv", name)
    }
    for attribute, row in xeleris_rules(data_set).items():
        must = row.type in ("1", "2") or (row.type != "3" and holds(row.condition, data_set))
        missing = {f"X type-{row.type}-missing {attribute} {row.table}"} if must else set()
        empty = {f"X type-{row.type}-empty {attribute} {row.table}"} if row.type.startswith("1") else set()
        found[attribute] = found.get(attribute, Wanted()) | Wanted(frozenset(missing), frozenset(empty))
    return found


def _finding(letter: str, row: dict[str, str], column: str) -> frozenset[str]:
    return frozenset({f"{letter} {row[column]} {row['attribute']} {row['section']}"} if row[column] else ())


def _of(file: str, name: str) -> Iterator[dict[str, str]]:
    for row in read(file):
        if {name, name.split(" ")[0] if name.startswith("NM ") else name} & set(row["objects"].split("|")):
            yield row


def wanted_values(name: str, data_set: Dataset) -> dict[tuple[str, int], frozenset[str]]:
    """By attribute and place what must be found when a term is there that no table lists."""
    found: dict[tuple[str, int], frozenset[str]] = {}
    for row in _of("standard_terms.csv", name):
        found[row["attribute"], int(row["place"])] = frozenset({f"S value {row['attribute']} {row['section']}"})
    for attribute, rule in xeleris_rules(data_set).items():
        for place, terms in (rule.terms or {}).items():
            finding = f"X {'value' if terms else 'not-empty'} {attribute} {rule.table}"
            found[attribute, place] = found.get((attribute, place), frozenset()) | {finding}
    return found
