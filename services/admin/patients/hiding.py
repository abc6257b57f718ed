"""What names a person, and what stands there instead for who may not see it (pure).

Left: what a study is worked on by (its dates, descriptions, UIDs). Gone: names, patient IDs, birth dates, the numbers
by which other systems find a patient (accession number, study ID), everything else that the patient module tells but
sex, age, size and weight; free texts and private texts, which may say anything; and what a remote station wrote into
the comment of its answer.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

HIDDEN: Final = "hidden"
FIELDS: Final = frozenset(
    {
        "patient_name", "patient_id", "issuer", "birth_date", "referring_physician", "accession", "accession_number",
        "study_id", "corrected_why",
    }
)  # fmt: skip
"""Of studies; by these nobody may search either who does not see them."""
_TOLD_OF_PATIENTS: Final = frozenset({0x00100040, 0x00101010, 0x00101020, 0x00101030})
_PATIENTS: Final = 0x0010
_FREE: Final = frozenset({"LT", "ST", "UT", "UC", "UN", "UR"})
_NAMING: Final = frozenset(
    {
        0x00080050, 0x00080081, 0x00080092, 0x00080094, 0x00081040, 0x00120040, 0x00120042, 0x00200010, 0x00321064,
        0x00380010, 0x00380011, 0x00380300, 0x00380400, 0x00380500, 0x00400009, 0x00400253, 0x00401001, 0x00402008,
        0x00402009, 0x00402010, 0x00402016, 0x00402017, 0x0040A073, 0x0040A123, 0x0040A124,
    }
)  # fmt: skip
"""Addresses, telephones, admissions, the numbers of orders, steps and trials, persons of structured reports."""
_BURNING: Final = ("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.6.", "1.2.840.10008.5.1.4.1.1.3.")
"""Secondary captures and ultrasound: pictures of screens, which have the patient's name at their edge."""
_COMMENTED: Final = re.compile(r"\b((?:status|answered) [0-9A-F]{4})\b.*", re.DOTALL)
"""A status as the gateway tells it; behind its name stands the Error Comment (0000,0902)."""


def without_names(told: Any) -> Any:
    """A row, or whatever is made of rows, texts and lists, without what names a person; empty values stay empty."""
    if isinstance(told, Mapping):
        return {name: HIDDEN if name in FIELDS and value else without_names(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [without_names(each) for each in told]
    return _COMMENTED.sub(r"\1", told) if isinstance(told, str) else told


def names_a_person(tag: int, vr: str) -> bool:
    """Whether the value of an element is hidden."""
    group = tag >> 16
    if vr == "PN" or vr in _FREE or tag in _NAMING:
        return True
    if group == _PATIENTS:
        return tag not in _TOLD_OF_PATIENTS
    return bool(group & 1) and vr in ("LO", "SH", "AE", "CS", "DA", "DT")


def may_show_names(sop_class: str, burned_in: str) -> bool:
    """Whether a picture may have a person's name in it (PS3.3 C.7.6.1.1.2): it says so, or is of a class that often has
    and does not deny it."""
    return burned_in == "YES" or (burned_in != "NO" and sop_class.startswith(_BURNING))
