"""What is worth a notice, and how it is told: UIDs, AE titles, ids and counts, never patient data (pure)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

MOST_SHOWN: Final = 200


class Kind(StrEnum):
    """What happened. ``TEST``: nothing; somebody wants to see a notice arrive."""

    JOB_FAILED = "job-failed"
    DEAD_LETTER = "dead-letter"
    COMMITMENT_OVERDUE = "commitment-overdue"
    MODALITY_SILENT = "modality-silent"
    TEST = "test"


HAPPENING: Final = tuple(kind for kind in Kind if kind is not Kind.TEST)
"""Those that a contact may be told of."""


class Channel(StrEnum):
    """How a contact is told."""

    MAIL = "mail"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Event:
    """Something that happened: to which stations, by which rule (empty: none)."""

    id: int
    kind: Kind
    at: datetime
    stations: Sequence[str] = ()
    rule: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def plain(value: Any) -> str:
    """One line of what can be printed: titles and UIDs come from whoever connects."""
    text = "".join(letter if letter.isprintable() else "�" for letter in str(value))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def told(kind: Kind, facts: Mapping[str, Any]) -> str:
    """A sentence for people."""
    shown = {name: plain(value) for name, value in facts.items() if value not in (None, "")}
    return _SENTENCES[kind](shown)


def path(kind: Kind, facts: Mapping[str, Any]) -> str:
    """The page of the desk where it is looked into."""
    name, page = _PAGES[kind]
    return f"{page}{quote(str(facts.get(name, '')), safe='')}"


def counted(kind: Kind, count: int) -> str:
    """How many of a kind there are, in words."""
    one, more = _WORDS[kind]
    return f"1 {one}" if count == 1 else f"{count} {more}"


def _job(shown: Mapping[str, str]) -> str:
    rule = f", rule {shown['rule']}" if "rule" in shown else ""
    of = f"{shown.get('failed', '?')} of {shown.get('total', '?')}"
    if shown.get("kind") == "retrieve":
        source = shown.get("source", "its source")
        return f"Job {shown['job']} failed: {of} of study {shown['study']} were not retrieved from {source}."
    return (
        f"Job {shown['job']} failed: {of} instances of study {shown['study']} not sent to {shown['destination']}{rule}."
    )


def _letter(shown: Mapping[str, str]) -> str:
    return (
        f"Dead letter {shown['number']}: a message {shown.get('type', 'without a type')} in queue {shown['queue']} "
        "could not be handled."
    )


def _commitment(shown: Mapping[str, str]) -> str:
    return (
        f"Commitment {shown['commitment']} is overdue: {shown['server']} did not report by {shown['deadline']} on "
        f"{shown['total']} instances of study {shown['study']} that {shown['destination']} was sent."
    )


def _silence(shown: Mapping[str, str]) -> str:
    if "heard" not in shown:
        return f"{shown['station']} is silent: nothing ever came from it; its limit is {shown['hours']} h."
    return (
        f"{shown['station']} is silent: nothing came from it since {shown['heard']}; its limit is {shown['hours']} h."
    )


def _test(shown: Mapping[str, str]) -> str:
    return "This is a test: nothing happened, and notices arrive here."


_SENTENCES: Final[Mapping[Kind, Callable[[Mapping[str, str]], str]]] = {
    Kind.JOB_FAILED: _job,
    Kind.DEAD_LETTER: _letter,
    Kind.COMMITMENT_OVERDUE: _commitment,
    Kind.MODALITY_SILENT: _silence,
    Kind.TEST: _test,
}
_PAGES: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.JOB_FAILED: ("job", "/jobs/"),
    Kind.DEAD_LETTER: ("number", "/attention/letters/"),
    Kind.COMMITMENT_OVERDUE: ("commitment", "/commitments/"),
    Kind.MODALITY_SILENT: ("station", "/stations/"),
    Kind.TEST: ("contact", "/notices/"),
}
_WORDS: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.JOB_FAILED: ("failed job", "failed jobs"),
    Kind.DEAD_LETTER: ("dead letter", "dead letters"),
    Kind.COMMITMENT_OVERDUE: ("overdue commitment", "overdue commitments"),
    Kind.MODALITY_SILENT: ("silent station", "silent stations"),
    Kind.TEST: ("test", "tests"),
}
