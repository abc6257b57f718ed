"""What names a patient, and finding that in texts and documents (pure).

A text names the patient if an ID, name or accession number of theirs stands in it as words of its own. What has fewer
than four characters would be found in everybody's texts, and is looked for in header facts alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

from services.admin.erasing.whose import PATIENT_ID, PATIENT_NAME, Content, Patient, patient_in, text_of

SHORTEST: Final = 4
ERASED: Final = "[erased]"
NAMES: Final = (PATIENT_NAME, "00101001", "00101005")
"""Patient's Name, Other Patient Names, Patient's Birth Name."""
NUMBERS: Final = (PATIENT_ID, "00101000", "00080050")
"""Patient ID, Other Patient IDs, Accession Number."""
ELEMENTS: Final = (*NAMES, *NUMBERS, "00100021")
_IDENTIFIER: Final = re.compile(r"[0-9.]+\.[0-9.]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""UIDs and our own ids are nobody's name, whatever digits they have."""


@dataclass(frozen=True)
class Sought:
    """``texts``: what names the patient; ``uids``: of the patient's studies, series and instances, ``studies`` of the
    studies alone."""

    patient: Patient
    texts: tuple[str, ...]
    uids: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()

    @classmethod
    def of(cls, patient: Patient, contents: Iterable[Content]) -> Self:
        """What names the patient of these contents."""
        kept = list(contents)
        found = [patient.patient_id, *(text for each in kept for text in _named(each.values))]
        texts = dict.fromkeys(text for text in found if len(text) >= SHORTEST)
        uids = (
            uid for each in kept for uid in (each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid)
        )
        return cls(patient, tuple(texts), frozenset(uids), frozenset(each.study_instance_uid for each in kept))

    def with_texts(self, texts: Iterable[str]) -> "Sought":
        """The same, with these texts too."""
        return replace(self, texts=tuple(dict.fromkeys((*self.texts, *texts))))

    def named_in(self, text: str) -> bool:
        """Whether a text names the patient."""
        return bool(self.texts) and not _IDENTIFIER.fullmatch(text) and self._words.search(text) is not None

    def named_within(self, document: Any) -> bool:
        """Whether one of the texts in a document does, or header facts in it are the patient's."""
        return self.about(document) or any(self.named_in(text) for text in _texts(document))

    def about(self, document: Any) -> bool:
        """Whether header facts that stand anywhere in a document are the patient's."""
        return any(patient_in(values) == self.patient for values in _facts(document))

    def blanked(self, document: Any) -> Any:
        """The document without the texts that name the patient."""
        if isinstance(document, Mapping):
            return {name: self.blanked(each) for name, each in document.items()}
        if isinstance(document, list):
            return [self.blanked(each) for each in document]
        return ERASED if isinstance(document, str) and self.named_in(document) else document

    @cached_property
    def _words(self) -> re.Pattern[str]:
        any_of_them = "|".join(map(re.escape, sorted(self.texts, key=len, reverse=True)))
        return re.compile(rf"(?<!\w)(?<!\d\.)(?:{any_of_them})(?!\w)(?!\.\d)", re.IGNORECASE)


def _named(values: Mapping[str, Any]) -> Iterator[str]:
    for key in NUMBERS:
        yield from text_of(values, key).split("\\")
    for key in NAMES:
        for name in text_of(values, key).split("\\"):
            yield from _written(name)


def _written(name: str) -> Iterator[str]:
    """A person name (PS3.5 6.2.1) as it is stored, and as people write it."""
    for group in (name, *name.split("=")):
        yield group.strip("^ ")
        words = [part.strip() for part in group.split("^")[:2] if part.strip()]
        if len(words) > 1:
            family, given = words
            yield from (f"{family} {given}", f"{given} {family}", f"{family}, {given}")


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping | list):
        for each in document.values() if isinstance(document, Mapping) else document:
            yield from _texts(each)


def _facts(document: Any) -> Iterator[Mapping[str, Any]]:
    """Values by key of the header facts in a document (services.dicom.facts)."""
    if isinstance(document, Mapping):
        values = document.get("values")
        if isinstance(values, Mapping):
            yield values
        for each in document.values():
            yield from _facts(each)
    elif isinstance(document, list):
        for each in document:
            yield from _facts(each)
