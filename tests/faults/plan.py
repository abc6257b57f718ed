"""Which faults a storm brings, and when: a random one every few seconds, the same for the same seed."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

EVERY_SECONDS = 5.0
SHORT_SECONDS = (0.3, 4.5)
LONG_SECONDS = (16.0, 40.0)
"""Beyond the leases of a storm's gateway (15 s): who wakes up finds its work done by others."""
LONG_SHARE = 0.15


class Kind(StrEnum):
    """What happens to the victim until the fault ends."""

    KILL = "kill"
    """-9; it is started again at the end."""
    FREEZE = "freeze"
    """SIGSTOP; SIGCONT at the end."""
    CUT = "cut"
    """Its connections are reset, new ones too."""
    HOLD = "hold"
    """Its connections stay, nothing arrives."""


@dataclass(frozen=True)
class Fault:
    """One of a storm. ``at``: seconds from its start; ``seconds``: how long it lasts."""

    at: float
    kind: Kind
    victim: str
    seconds: float

    @property
    def end(self) -> float:
        """Seconds from the start of the storm."""
        return self.at + self.seconds

    def __str__(self) -> str:
        return f"{self.at:.1f} s: {self.kind} {self.victim} for {self.seconds:.1f} s"


def plan(seed: int, seconds: float, processes: Sequence[str], lines: Sequence[str]) -> list[Fault]:
    """Every five seconds one of the processes is killed or frozen, or one of the lines cut or held up (pure).

    No victim has two faults at a time, and all faults have ended when the storm has.
    """
    chance = random.Random(seed)
    faults: list[Fault] = []
    at = chance.uniform(0.5, 2.0)
    while at < seconds - SHORT_SECONDS[0]:
        busy = {fault.victim for fault in faults if fault.end > at - 1.0}
        faults.append(_fault(chance, at, seconds, _free(processes, busy), _free(lines, busy)))
        at += EVERY_SECONDS * chance.uniform(0.8, 1.2)
    return faults


def _free(names: Sequence[str], busy: Collection[str]) -> list[str]:
    return [name for name in names if name not in busy]


def _fault(chance: random.Random, at: float, end: float, processes: Sequence[str], lines: Sequence[str]) -> Fault:
    victims = [(kind, name) for name in processes for kind in (Kind.KILL, Kind.FREEZE)]
    victims += [(kind, name) for name in lines for kind in (Kind.CUT, Kind.HOLD)]
    kind, victim = chance.choice(victims)
    lasts = chance.uniform(*(LONG_SECONDS if chance.random() < LONG_SHARE else SHORT_SECONDS))
    return Fault(at, kind, victim, min(lasts, end - at))
