"""What names a patient, and finding that in texts and documents (pure).

A text names the patient if an ID, name or accession number of theirs stands in it as words of its own, however it is
spelled (spellings.py): of four characters or more, in scripts that set no spaces between words of two, and of three
anywhere. What is shorter would be found in everybody's texts: it names the patient in header facts, and where it is all
that a person wrote.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

from services.admin.erasing.spellings import folded
from services.admin.erasing.whose import PATIENT_ID, PATIENT_NAME, Content, Patient, patient_in, text_of

SHORTEST: Final = 4
SHORTEST_UNSPACED: Final = 2
SHORTEST_UNSPACED_WITHIN: Final = 3
ERASED: Final = "[erased]"
NAMES: Final = (PATIENT_NAME, "00101001", "00101005")
"""Patient's Name, Other Patient Names, Patient's Birth Name."""
NUMBERS: Final = (PATIENT_ID, "00101000", "00080050")
"""Patient ID, Other Patient IDs, Accession Number."""
ELEMENTS: Final = (*NAMES, *NUMBERS, "00100021")
WRITTEN: Final = frozenset({"why", "reason", "comment", "description", "note"})
"""Fields of documents that people fill in as they like."""
_OUR_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Nobody's name, whatever digits it has."""
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u318f\u31a0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
"""Letters of scripts that set no spaces between words, or none before particles: Thai, Lao, Burmese, Khmer, Han, Kana,
Bopomofo, Hangul."""
_ALL_UNSPACED: Final = re.compile(rf"[{_UNSPACED}]+")
_BEFORE: Final = rf"(?<![^\W{_UNSPACED}])(?<!\d\.)"
_AFTER: Final = rf"(?![^\W{_UNSPACED}])(?!\.\d)"


@dataclass(frozen=True)
class Sought:
    """``texts``: what names the patient, folded; ``uids``: of the patient's studies, series and instances, ``studies``
    of the studies alone."""

    patient: Patient
    texts: tuple[str, ...]
    uids: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()

    @classmethod
    def of(cls, patient: Patient, contents: Iterable[Content]) -> Self:
        """What names the patient of these contents."""
        kept = list(contents)
        found = [patient.patient_id, *(text for each in kept for text in _naming(each.values))]
        texts = dict.fromkeys(text for text in (folded(each).strip() for each in found) if text)
        uids = (
            uid for each in kept for uid in (each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid)
        )
        return cls(patient, tuple(texts), frozenset(uids), frozenset(each.study_instance_uid for each in kept))

    def with_texts(self, texts: Iterable[str]) -> "Sought":
        """The same, with these texts too."""
        return replace(self, texts=tuple(dict.fromkeys((*self.texts, *map(folded, texts)))))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Texts that are looked for within others."""
        return tuple(text for text in self.texts if _is_distinctive(text))

    @cached_property
    def wholes(self) -> tuple[str, ...]:
        """Texts that are too short for that."""
        return tuple(text for text in self.texts if not _is_distinctive(text))

    def named_in(self, text: str) -> bool:
        """Whether a text that a person wrote names the patient."""
        return self._named(text, written=True)

    def named_anyhow(self, text: str) -> bool:
        """The same of what can still be said in other words: what is too short for that counts too."""
        inner = folded(text)
        within = any(each in inner for each in self.texts if _is_unspaced(each))
        return within or self.named_in(text) or _any_of(self.wholes).search(inner) is not None

    def named_within(self, document: Any) -> bool:
        """Whether one of the texts in a document does, or header facts in it are the patient's."""
        return self.about(document) or any(self._named(text, written=written) for text, written in _texts(document))

    def about(self, document: Any) -> bool:
        """Whether header facts that stand anywhere in a document are the patient's."""
        return any(patient_in(values) == self.patient for values in _facts(document))

    def blanked(self, document: Any, *, written: bool = False) -> Any:
        """The document without the texts that name the patient. ``written``: a person wrote it as they liked."""
        if isinstance(document, Mapping):
            return {name: self.blanked(each, written=name in WRITTEN) for name, each in document.items()}
        if isinstance(document, list):
            return [self.blanked(each, written=written) for each in document]
        return ERASED if isinstance(document, str) and self._named(document, written=written) else document

    def _named(self, text: str, *, written: bool) -> bool:
        if text == ERASED:
            return False
        inner = folded(text)
        if inner.strip() in (self.texts if written else self.words):
            return True
        return not _OUR_ID.fullmatch(inner) and self._words.search(inner) is not None

    @cached_property
    def _words(self) -> re.Pattern[str]:
        return _any_of(self.words)


def _is_distinctive(text: str) -> bool:
    return len(text) >= (SHORTEST_UNSPACED if _is_unspaced(text) else SHORTEST)


def _is_unspaced(text: str) -> bool:
    return _ALL_UNSPACED.fullmatch(text) is not None


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Folded texts as words of their own."""
    words = [_as_word(text) for text in sorted(texts, key=len, reverse=True)]
    return re.compile("|".join(words) or "(?!)")


def _as_word(text: str) -> str:
    if _is_unspaced(text) and len(text) < SHORTEST_UNSPACED_WITHIN:
        return rf"(?<!\w){re.escape(text)}(?!\w)"
    before = "" if _is_unspaced(text[0]) else _BEFORE
    after = "" if _is_unspaced(text[-1]) else _AFTER
    return f"{before}{re.escape(text)}{after}"


def _naming(values: Mapping[str, Any]) -> Iterator[str]:
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
            if _is_unspaced(folded(family + given)):
                yield family + given


def _texts(document: Any, *, written: bool = True) -> Iterator[tuple[str, bool]]:
    """Texts of a document, each with whether a person wrote it as they liked; what is no document is such a text."""
    if isinstance(document, str):
        yield document, written
    elif isinstance(document, Mapping):
        for name, each in document.items():
            yield from _texts(each, written=name in WRITTEN)
    elif isinstance(document, list):
        for each in document:
            yield from _texts(each, written=written)


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
