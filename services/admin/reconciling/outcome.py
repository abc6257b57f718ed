"""What came of a comparison with a station, counted and as people read it (pure)."""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from services.admin.reconciling.comparison import Compared

MOST_GAPS_TOLD: Final = 1000
MOST_UIDS_TOLD: Final = 100
MOST_BY_COUNT_TOLD: Final = 100


@dataclass
class Outcome:
    """What came of a comparison; ``gaps`` are the studies that are not complete or could not be told; ``by_count``: of
    so many only counts say that they are complete, ``by_count_first`` are the first of them."""

    studies: int = 0
    instances: int = 0
    by_count: int = 0
    by_count_first: list[Compared] = field(default_factory=list)
    gaps: list[Compared] = field(default_factory=list)
    requests: list[UUID] = field(default_factory=list)

    def take(self, compared: Compared) -> None:
        """Count a study."""
        self.studies += 1
        self.instances += compared.delivered
        if compared.verdict != "COMPLETE":
            self.gaps.append(compared)
        elif compared.by_count:
            self.by_count += 1
            self.by_count_first += [compared] if len(self.by_count_first) < MOST_BY_COUNT_TOLD else []

    @property
    def missing(self) -> int:
        """Instances that the station has not got, as far as it tells."""
        return sum(len(gap.missing) for gap in self.gaps)

    @property
    def sendable(self) -> int:
        """Of these what can be sent again."""
        return sum(len(gap.sendable) for gap in self.gaps)


def told(outcome: Outcome) -> dict[str, Any]:
    """The gaps as they are stored and printed; of very many the first ones."""
    return {
        "incomplete": len(outcome.gaps),
        "gaps": [
            {
                "study": gap.study,
                "verdict": gap.verdict,
                "delivered": gap.delivered,
                "there": gap.there,
                "missing": len(gap.missing),
                "gone": gap.gone,
                "instances": [each.sop_instance_uid for each in gap.missing[:MOST_UIDS_TOLD]],
                "note": gap.note,
            }
            for gap in outcome.gaps[:MOST_GAPS_TOLD]
        ],
        "by_count": outcome.by_count,
        "by_count_studies": [{"study": each.study, "note": each.note} for each in outcome.by_count_first],
        "requests": [str(request) for request in outcome.requests],
    }
