"""What a journey is made of (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

Kind = Literal["received", "matched", "not sent", "delivery", "commitment", "retrieval", "removed"]
Tone = Literal["good", "bad", "warn", "go", ""]
MOST_NAMED: Final = 20


@dataclass
class Event:
    """What happened to ``instances`` alike, ``times`` times from ``at`` to ``until``; None: not yet. ``link``: the job
    or commitment it belongs to."""

    kind: Kind
    text: str
    tone: Tone = ""
    detail: str = ""
    link: str = ""
    at: datetime | None = None
    until: datetime | None = None
    instances: list[str] = field(default_factory=list)
    times: int = 1

    @property
    def count(self) -> int:
        """How many instances."""
        return len(self.instances)

    def document(self) -> dict[str, Any]:
        """As plain data, with the first instances by name."""
        names = ("kind", "text", "tone", "detail", "link", "at", "until", "count", "times")
        return {name: getattr(self, name) for name in names} | {"instances": self.instances[:MOST_NAMED]}


def joined(*parts: str | None) -> str:
    """Those that say something, in one line."""
    return ", ".join(part for part in parts if part)


def listed(names: Iterable[str]) -> str:
    """Names in one line."""
    return ", ".join(names)
