"""What people write into the filter of Patients, as keys of the search (pure).

A text without a wildcard is looked for at its beginning; descriptions and the referring physician are found wherever
the text stands in them.
"""

import re
from collections.abc import Mapping
from typing import Final

from services.admin.patients.search import days
from services.runtime.errors import UsageError

FIRST: Final = (
    "patient_name", "patient_id", "study_id", "description", "accession", "date_from", "date_to", "modality",
)  # fmt: skip
"""The seven fields of R54; the study date is two of them."""
MORE: Final = ("issuer", "birth_date", "sex", "referring_physician", "study")
_ANYWHERE: Final = frozenset({"description", "referring_physician"})
_BEGINNING: Final = frozenset({"patient_name", "patient_id", "study_id", "accession"})
_DAY: Final = re.compile(r"(\d{4})[-.]?(\d{2})[-.]?(\d{2})", re.ASCII)
_NAME_LIMITS: Final = re.compile(r"[\s,^]+")


def keys_of(chosen: Mapping[str, str]) -> dict[str, str]:
    """The keys. Raises ``UsageError`` for what is no day."""
    keys = {name: _key(name, text) for name, text in chosen.items() if not name.startswith("date_")}
    between = days(_day("date_from", chosen), _day("date_to", chosen))
    return keys | ({"study_date": between} if between else {})


def _key(name: str, text: str) -> str:
    if name == "birth_date":
        return _day(name, {name: text})
    if name == "modality":
        return "\\".join(part for part in re.split(r"[\s,;\\]+", text.upper()) if part)
    if name == "sex":
        return text.upper()
    if name == "patient_name":
        text = _NAME_LIMITS.sub(" ", text).strip()
    if name == "referring_physician":
        text = _NAME_LIMITS.sub("*", text).strip("*")
    if "*" in text or "?" in text:
        return f"*{text}*" if name in _ANYWHERE else text
    return f"*{text}*" if name in _ANYWHERE else f"{text}*" if name in _BEGINNING else text


def _day(name: str, chosen: Mapping[str, str]) -> str:
    text = chosen.get(name, "").strip()
    found = _DAY.fullmatch(text)
    if text and found is None:
        raise UsageError(f"{name}: that is no day: write 2026-11-29")
    return "".join(found.groups()) if found else ""
