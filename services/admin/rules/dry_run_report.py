"""What a dry-run tells: by rule and destination how many instances, studies and bytes, and examples. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from services.admin.rules.dry_run_outcomes import Outcome, Received, Send

EXAMPLES: Final = 3


class StudyNumbers:
    """A number for each Study Instance UID, counted from 0, so that sets of studies are bits."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(lambda: len(self._numbers))

    def of(self, uid: str) -> int:
        """The number of a study."""
        return self._numbers[uid]

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass
class Share:
    """Some of the instances. ``studies`` has a bit for each study; ``examples`` are of different studies."""

    instances: int = 0
    bytes: int = 0
    studies: bytearray = field(default_factory=bytearray)
    examples: list[str] = field(default_factory=list)

    def add(self, study: int, group: "Group") -> None:
        """Take in instances of one study."""
        self.instances += group.instances
        self.bytes += group.bytes
        place, bit = study >> 3, 1 << (study & 7)
        if place >= len(self.studies):
            self.studies.extend(bytes(place + 1 - len(self.studies)))
        if not self.studies[place] & bit and len(self.examples) < EXAMPLES:
            self.examples.append(group.example)
        self.studies[place] |= bit

    def together(self, other: "Share") -> "Share":
        """Both, whose instances are different ones."""
        return Share(
            self.instances + other.instances,
            self.bytes + other.bytes,
            _bits(int.from_bytes(self.studies, "little") | int.from_bytes(other.studies, "little")),
        )

    def document(self) -> dict[str, Any]:
        """As plain data; ``bytes`` are those of the data sets."""
        count = int.from_bytes(self.studies, "little").bit_count()
        return {"instances": self.instances, "studies": count, "bytes": self.bytes}

    def with_examples(self) -> dict[str, Any]:
        """As plain data, with SOP Instance UIDs."""
        return self.document() | {"examples": self.examples}


def _bits(number: int) -> bytearray:
    return bytearray(number.to_bytes((number.bit_length() + 7) // 8, "little"))


@dataclass
class Group:
    """Instances of one study with one outcome."""

    example: str
    instances: int = 0
    bytes: int = 0


class Tally:
    """Shares by rule and destination."""

    def __init__(self, studies: StudyNumbers) -> None:
        self._numbers = studies
        self.all = Share()
        self._newly, self._unchanged, self._no_longer = (defaultdict[Send, Share](Share) for _ in range(3))
        self._earlier: defaultdict[Send, int] = defaultdict(int)
        self._refused: defaultdict[Send, int] = defaultdict(int)

    def take(self, outcomes: Iterable[tuple[Received, Outcome]]) -> None:
        """Count receipts, those of one study and outcome in one go."""
        groups: dict[tuple[str, Outcome], Group] = {}
        for received, outcome in outcomes:
            key = (received.study_instance_uid, outcome)
            group = groups.get(key)
            if group is None:
                group = groups[key] = Group(received.sop_instance_uid)
            group.instances += 1
            group.bytes += received.size
        for (study, outcome), group in groups.items():
            self._add(self._numbers.of(study), outcome, group)

    def _add(self, study: int, outcome: Outcome, group: Group) -> None:
        self.all.add(study, group)
        shares = (
            (outcome.newly, self._newly),
            (outcome.unchanged, self._unchanged),
            (outcome.no_longer, self._no_longer),
        )
        for sent, where in shares:
            for send in sent:
                where[send].add(study, group)
        for send in outcome.earlier:
            self._earlier[send] += group.instances
        for send in outcome.refused:
            self._refused[send] += group.instances

    def document(self, draft: Iterable[Send], live: Iterable[Send]) -> dict[str, Any]:
        """Every rule and destination of the draft, and those of the live rules that lose something, in their order."""
        return {
            **self.all.document(),
            "rules": [self._row(send) for send in draft],
            "no_longer_sent": [
                _named(send) | self._no_longer[send].with_examples() for send in live if send in self._no_longer
            ],
        }

    def _row(self, send: Send) -> dict[str, Any]:
        newly, unchanged = self._newly[send], self._unchanged[send]
        return {
            **_named(send),
            **newly.together(unchanged).document(),
            "newly_sent": newly.with_examples(),
            "unchanged": unchanged.with_examples(),
            "sent_by_an_earlier_rule": self._earlier[send],
            "cannot_be_sent": self._refused[send],
        }


def _named(send: Send) -> dict[str, Any]:
    return {"rule": send[0], "to": send[1]}
