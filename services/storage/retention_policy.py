"""How long what is stored is kept, and whether a study may go (pure). Off unless somebody says how many days.

A study goes as a whole: half of one would answer queries with wrong counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from services.storage.gate import Held, reasons

LOOK_AGAIN: Final = timedelta(hours=12)
"""After which a study that is old enough and has to stay is looked at again."""
WAITS_FOR_A_PERSON: Final = frozenset({"HELD", "RECOVERED"})
"""Dispositions of contents that nobody has decided about."""
SHOWN: Final = 3


@dataclass(frozen=True)
class Policy:
    """Days from the last receipt of a study. ``days`` None: off; ``sources``: what stations say of what they send, 0
    for ever. ``unmatched``: also what no rule sends anywhere. ``commitment``: the profile asks for it."""

    days: int | None = None
    sources: Mapping[str, int] = field(default_factory=dict)
    unmatched: bool = False
    commitment: bool = True

    def days_of(self, source: str) -> int | None:
        """How long what came from a station is kept; None: for ever."""
        own = self.sources.get(source)
        return self.days if own is None else own or None

    @property
    def least_days(self) -> int | None:
        """The shortest of all; None: nothing is ever deleted."""
        return min([days for days in (self.days, *self.sources.values()) if days], default=None)

    def document(self) -> dict[str, Any]:
        """As it is stored beside what it was applied to."""
        return {"days": self.days, "sources": dict(sorted(self.sources.items())), "unmatched": self.unmatched}


@dataclass(frozen=True)
class Source:
    """A station that sent of a study, and when it did last."""

    title: str
    received_at: datetime


@dataclass(frozen=True)
class Content:
    """One stored content. ``waiting``: its instance's deliveries that are not done, as "FAILED to PACS1"; ``sent``:
    there are deliveries of the instance; ``delivered``: some station has it; ``itself``: in this very revision."""

    sop_instance_uid: str
    revision: int
    size: int
    state: Literal["STORED", "DAMAGED"] = "STORED"
    disposition: str = "NEW"
    waiting: tuple[str, ...] = ()
    sent: bool = True
    delivered: bool = True
    itself: bool = True


@dataclass(frozen=True)
class Verdict:
    """``kept``: why a study stays, "" if it may go; ``look_at``: when to ask again, None: when the policy changes."""

    kept: str
    look_at: datetime | None


def judge(
    policy: Policy, at: datetime, sources: Sequence[Source], contents: Sequence[Content], held: Sequence[Held]
) -> Verdict:
    """Whether all these contents of a study may be deleted at that time. ``held``: what commitments and rules that were
    not asked yet say against it (services.storage.gate)."""
    for source in sources:
        if policy.days_of(source.title) is None:
            return Verdict(f"what {source.title} sends is kept for ever", None)
    due = max(
        (source.received_at + timedelta(days=policy.days_of(source.title) or 0) for source in sources), default=at
    )
    if due > at:
        return Verdict(f"kept until {due:%Y-%m-%d %H:%M}Z", due)
    against = [(content.sop_instance_uid, reason) for content in contents if (reason := _against(policy, content))]
    against += [(content.sop_instance_uid, reason) for content in held if (reason := ", ".join(reasons(content)))]
    return Verdict(_told(against), at + LOOK_AGAIN) if against else Verdict("", at)


def _against(policy: Policy, content: Content) -> str:
    """What keeps one content; "" for nothing."""
    if content.state == "DAMAGED":
        return "its object is damaged"
    if content.disposition in WAITS_FOR_A_PERSON and not content.itself:
        return f"{content.disposition}, a person has to decide"
    if content.waiting:
        return ", ".join(content.waiting[:SHOWN])
    if content.delivered:
        return ""
    if content.sent:
        return "sent nowhere: what was to be was cancelled, or its station said that it had it"
    return "" if policy.unmatched else "no rule sends it anywhere"


def _told(against: Sequence[tuple[str, str]]) -> str:
    """The reasons that there are, each with how many contents have it and one that does."""
    found: dict[str, list[str]] = {}
    for uid, reason in against:
        found.setdefault(reason, []).append(uid)
    told = [f"{reason} ({uids[0]}{f' and {len(uids) - 1} more' if uids[1:] else ''})" for reason, uids in found.items()]
    return "; ".join(told[:SHOWN]) + (f"; and {len(told) - SHOWN} more reasons" if told[SHOWN:] else "")
