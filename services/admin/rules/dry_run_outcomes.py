"""What a draft and the live rules do with a receipt: worked out once for all that look alike to the rules. Pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, Final, NamedTuple

from services.dicom.rules import ByClass, CompiledRules, Match, Subject, sends
from services.dicom.rules.subject import View

Send = tuple[str, str]
"""Rule and destination."""

_SEPARATOR: Final = "\x1f"
_UNDECODABLE: Final = "U"
_CUT: Final = "C"
_REMEMBERED: Final = 1 << 16
_COLUMNS: Final = {"transfer_syntax": "transfer_syntax_uid", "sop_class": "sop_class_uid"}
"""Columns of facts of the association whose names are others."""
_BLANK: Final = Subject({}, "", "", "", "", "", datetime(2000, 1, 1, tzinfo=UTC))


class Received(NamedTuple):
    """A row of ``page_of_receipts``."""

    sop_instance_uid: str
    study_instance_uid: str
    size: int
    calling_aet: str
    called_aet: str
    peer_address: str
    transfer_syntax_uid: str
    sop_class_uid: str
    received_at: datetime
    object_key: str
    data_set_offset: int
    seen: str | None


@dataclass(frozen=True)
class Outcome:
    """The deliveries of an instance, by draft and live rules.

    ``earlier``: rules of the draft that match, and destinations that an earlier rule serves. ``refused``: deliveries
    that fail at once, because the class is never sent (R96). ``unread`` is not empty where the outcome hinges on
    elements of these keys, which the facts do not hold; then nothing else is known.
    """

    newly: tuple[Send, ...] = ()
    unchanged: tuple[Send, ...] = ()
    no_longer: tuple[Send, ...] = ()
    earlier: tuple[Send, ...] = ()
    refused: tuple[Send, ...] = ()
    unread: frozenset[str] = frozenset()


def compared(draft: Sequence[Match], live: Sequence[Match], source: str) -> Outcome:
    """What becomes of an instance of ``source`` that these rules of the draft and of the live rule set match."""
    new, old = ([(match.rule, to) for match, to in sends(matches, source)] for matches in (draft, live))
    before, after = {to for _, to in old}, {to for _, to in new}
    named = dict.fromkeys(
        (match.rule, to) for match in draft for to in match.destinations if to not in match.withheld(source)
    )
    return Outcome(
        newly=tuple(send for send in new if send[1] not in before),
        unchanged=tuple(send for send in new if send[1] in before),
        no_longer=tuple(send for send in old if send[1] not in after),
        earlier=tuple(send for send in named if send not in new),
    )


class Outcomes:
    """Outcomes of receipts under one draft and one live rule set.

    A condition looks at one key only. So each distinct value of a key is tested once, and each distinct combination of
    what the tests said is evaluated once, by the evaluator that routes; apart for each source that is a destination
    too, because nothing is sent back there, and for each class that is redirected or never sent. What is remembered has
    a limit.
    """

    def __init__(self, draft: CompiledRules, live: CompiledRules, by_class: ByClass) -> None:
        self._draft, self._live, self._by_class = draft, live, by_class
        self._destinations = draft.destinations | live.destinations | {by_class.pet_raw_station}
        looks_at = draft.looks_at | live.looks_at
        self.keys: Final = sorted(key for key in looks_at if not key.startswith("@"))
        self._came = sorted(key[1:] for key in looks_at if key.startswith("@"))
        self._tests = {key: [*draft.conditions_on(key), *live.conditions_on(key)] for key in looks_at}
        self._said_of_facts = [lru_cache(_REMEMBERED)(partial(self._said, key)) for key in self.keys]
        self._said_of_came = [
            (attrgetter(_COLUMNS.get(name, name)), lru_cache(_REMEMBERED)(partial(self._said, "@" + name)))
            for name in self._came
        ]
        self._evaluated: dict[tuple[object, ...], Outcome] = {}

    def of(self, received: Received) -> Outcome:
        """The outcome of a receipt whose facts are there."""
        texts = (received.seen or "").split(_SEPARATOR)
        said = [says(text) for says, text in zip(self._said_of_facts, texts, strict=False)]
        said += [says(value(received)) for value, says in self._said_of_came]
        back = received.calling_aet if received.calling_aet in self._destinations else ""
        told_apart = received.sop_class_uid if self._by_class.decides(received.sop_class_uid) else ""
        combination = (back, told_apart, *said)
        outcome = self._evaluated.get(combination)
        if outcome is None:
            if len(self._evaluated) == _REMEMBERED:
                self._evaluated.clear()
            outcome = self._evaluated[combination] = self._evaluate(self._subject(received))
        return outcome

    def of_subject(self, subject: Subject) -> Outcome:
        """The outcome of an instance of which no more is to be known."""
        besides = self._by_class.matches(subject.sop_class)
        draft, live = ([*rules.evaluate(subject), *besides] for rules in (self._draft, self._live))
        outcome = compared(draft, live, subject.calling_aet)
        if not self._by_class.refusal(subject.sop_class):
            return outcome
        return Outcome(refused=outcome.newly + outcome.unchanged, earlier=outcome.earlier)

    def subject(self, received: Received) -> tuple[Subject, frozenset[str]]:
        """A receipt as the rules see it, and the keys that have to be read from its object."""
        subject = self._subject(received)
        return subject, self._draft.needs_object(subject) | self._live.needs_object(subject)

    def _subject(self, received: Received) -> Subject:
        texts = (received.seen or "").split(_SEPARATOR)
        return Subject.of(received._asdict(), facts(zip(self.keys, texts, strict=False)))

    def _said(self, key: str, seen: Any) -> int:
        """All that decides about the value of one key, as bits: what each condition says, and what the facts lack."""
        known = {key[1:]: seen} if key.startswith("@") else {"facts": facts([(key, seen)])}
        subject = replace(_BLANK, **known)
        view = View(subject)
        has_items = bool(subject.facts.get("values", {}).get(key))
        said = [*(test(view) for test in self._tests[key]), subject.cut(key), has_items]
        return sum(outcome << place for place, outcome in enumerate(said))

    def _evaluate(self, subject: Subject) -> Outcome:
        unread = self._draft.undecided(subject) | self._live.undecided(subject)
        return Outcome(unread=unread) if unread else self.of_subject(subject)


def facts(seen: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Header facts of some keys, from the texts that ``page_of_receipts`` makes of them."""
    found: dict[str, Any] = {"values": {}, "cut": [], "undecodable": []}
    for key, text in seen:
        decodable = text.removesuffix(_CUT)
        values = decodable.removesuffix(_UNDECODABLE)
        if values:
            found["values"][key] = json.loads(values)
        if values != decodable:
            found["undecodable"].append(key)
        if decodable != text:
            found["cut"].append(key)
    return found
