"""What rules look at: the header facts of one instance and how it came."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.dicom.facts import ANY_OTHER
from services.dicom.rules.uid_names import uid_names

_ASSOCIATION_FACTS: Final = ("calling_aet", "called_aet", "peer_address", "transfer_syntax", "sop_class")


@dataclass(frozen=True)
class Subject:
    """One instance as rules see it; ``facts`` as services.dicom.facts makes them, UIDs as text.

    ``completed`` are the keys that were read from the object because the facts lack them.
    """

    facts: Mapping[str, Any]
    calling_aet: str
    called_aet: str
    peer_address: str
    transfer_syntax: str
    sop_class: str
    received_at: datetime
    completed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, receipt: Mapping[str, Any], facts: Mapping[str, Any] | None) -> "Subject":
        """The subject of a row of ``storage.receipt_view`` and the facts that are stored beside it."""
        return cls(
            facts=facts or {},
            transfer_syntax=receipt["transfer_syntax_uid"],
            sop_class=receipt["sop_class_uid"],
            **{name: receipt[name] for name in ("calling_aet", "called_aet", "peer_address", "received_at")},
        )

    def with_elements(self, elements: Mapping[str, Any], asked: frozenset[str]) -> "Subject":
        """The subject with what ``read_elements`` found for the keys asked for, instead of what the facts say."""
        values = {key: found for key, found in self.facts.get("values", {}).items() if key not in asked}
        undecodable = [key for key in self.facts.get("undecodable", ()) if key not in asked]
        merged = {
            "values": values | {key: found for key, found in elements["values"].items() if key in asked},
            "cut": [key for key in self.facts.get("cut", ()) if key not in asked],
            "undecodable": undecodable + [key for key in elements["undecodable"] if key in asked],
        }
        return replace(self, facts=merged, completed=self.completed | asked)

    def cut(self, key: str) -> bool:
        """Whether the facts do not hold all of that element because of their limits."""
        cut = self.facts.get("cut", ())
        return key in cut or (ANY_OTHER in cut and key not in self.facts.get("values", {}))


class Found:
    """The values of one element of one subject, and what they mean as each kind, worked out once.

    ``texts`` is empty for values that were not extracted (binary data, sequences); an empty element has one empty text.
    """

    __slots__ = ("_answers", "_folded", "_meanings", "texts", "values")

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = [value for value in values if value is not None]
        self.texts = [value if isinstance(value, str) else str(value) for value in self.values] if values else [""]
        self._folded: list[str] | None = None
        self._answers: dict[Hashable, bool] = {}
        self._meanings: dict[Callable[[object], Any], list[Any]] = {}

    @property
    def folded(self) -> list[str]:
        """The texts for comparison without case."""
        if self._folded is None:
            self._folded = [text.casefold() for text in self.texts]
        return self._folded

    def remembered(self, key: Hashable, answer: Callable[[], bool]) -> bool:
        """An answer about this element that many rules may ask for and that costs to find."""
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = answer()
        return known

    def meanings(self, reading: Callable[[object], Any]) -> list[Any]:
        """The values as that kind; those that are none of it are left out."""
        found = self._meanings.get(reading)
        if found is None:
            found = [meaning for meaning in map(reading, self.values) if meaning is not None]
            self._meanings[reading] = found
        return found


class View:
    """A subject during one evaluation: finds elements and remembers what was worked out.

    ``verdicts`` are the answers of the tests that were asked.
    """

    __slots__ = ("_found", "_subject", "_undecodable", "_values", "verdicts")

    def __init__(self, subject: Subject) -> None:
        self.verdicts: dict[Callable[[View], bool], bool] = {}
        self._subject = subject
        self._values: Mapping[str, Sequence[Any]] = subject.facts.get("values", {})
        self._undecodable = frozenset(subject.facts.get("undecodable", ()))
        self._found: dict[str, Found | None] = {
            "@" + name: Found(self._association(name)) for name in _ASSOCIATION_FACTS
        }
        self._found["@received_at"] = Found([subject.received_at.isoformat()])

    def find(self, key: str) -> Found | None:
        """The element, or None when it is missing or undecodable."""
        try:
            return self._found[key]
        except KeyError:
            values = None if key in self._undecodable else self._values.get(key)
            found = self._found[key] = None if values is None else Found(values)
            return found

    def undecodable(self, key: str) -> bool:
        """Whether the element is there, but its text does not fit its character set."""
        return key in self._undecodable

    def _association(self, name: str) -> list[str]:
        value: str = getattr(self._subject, name)
        return [value, *uid_names(value)] if name in ("transfer_syntax", "sop_class") else [value]
