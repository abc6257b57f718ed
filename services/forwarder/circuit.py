"""The circuit of one destination (pure): what failures of the destination itself do to all its deliveries.

    CLOSED ──no association──▶ OPEN ──C-ECHO answered──▶ HALF-OPEN ──C-STORE answered──▶ CLOSED
                                ▲                            │
                                └─────────failed again───────┘

Only the answer to a C-STORE forgets the failures: a station that answers C-ECHO and fails what it is sent is tried more
and more seldom. Profile xeleris, whose C-ECHOs are started by people (R49), tries an instance instead.
"""

from dataclasses import dataclass

from services.forwarder.classify import Trouble
from services.forwarder.retry import slow_delay_seconds
from services.runtime.backoff import USUAL, Backoff, delay_seconds

POSTPONED_BEFORE_OPENING = 3


@dataclass(frozen=True)
class Circuit:
    """``failures`` in a row; while open, only one at a time tries, when ``may_probe``: with a C-ECHO, and once that was
    ``answered`` with one delivery. It was opened ``open_seconds`` ago."""

    open: bool = False
    failures: int = 0
    may_probe: bool = True
    answered: bool = False
    open_seconds: float = 0.0

    def allowance(self, most: int, *, echoes: bool) -> int:
        """How many deliveries may be claimed: all, one to try with, or none. ``echoes``: a C-ECHO comes first."""
        if not self.open:
            return most
        return 1 if self.may_probe and (self.answered or not echoes) else 0

    @property
    def wants_echo(self) -> bool:
        """Whether it is time for a C-ECHO."""
        return self.open and self.may_probe and not self.answered


@dataclass(frozen=True)
class Setback:
    """The circuit after a failure and the seconds until the destination is tried again."""

    circuit: Circuit
    delay: float


def after_trouble(
    circuit: Circuit, trouble: Trouble, fraction: float, slow_seconds: float, backoff: Backoff = USUAL
) -> Setback:
    """No association, or one that ended before any answer: the circuit opens."""
    failures = circuit.failures + 1
    delay = slow_delay_seconds(fraction, slow_seconds) if trouble.slow else delay_seconds(failures, fraction, backoff)
    return Setback(Circuit(open=True, failures=failures), delay)


def after_postponed(circuit: Circuit, fraction: float, backoff: Backoff = USUAL) -> Setback:
    """Only answers like "out of resources" came: after three times in a row the destination is left alone."""
    failures = circuit.failures + 1
    beyond = failures - POSTPONED_BEFORE_OPENING + 1
    delay = delay_seconds(beyond, fraction, backoff) if beyond > 0 else 0.0
    return Setback(Circuit(open=beyond > 0, failures=failures), delay)
