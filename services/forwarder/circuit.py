"""The circuit of one destination (pure): what failures of the destination itself do to all its deliveries."""

from dataclasses import dataclass

from services.forwarder.classify import Trouble
from services.forwarder.retry import slow_delay_seconds
from services.runtime.backoff import delay_seconds

POSTPONED_BEFORE_OPENING = 3


@dataclass(frozen=True)
class Circuit:
    """``failures`` in a row; while open, only one association at a time probes, when ``may_probe``."""

    open: bool = False
    failures: int = 0
    may_probe: bool = True

    def allowance(self, most: int) -> int:
        """How many deliveries may be claimed: all, one to probe with, or none."""
        if not self.open:
            return most
        return 1 if self.may_probe else 0


@dataclass(frozen=True)
class Setback:
    """The circuit after a failure and the seconds until the destination is tried again."""

    circuit: Circuit
    delay: float


def after_trouble(circuit: Circuit, trouble: Trouble, fraction: float, slow_seconds: float) -> Setback:
    """No association, or one that ended before any answer: the circuit opens."""
    failures = circuit.failures + 1
    delay = slow_delay_seconds(fraction, slow_seconds) if trouble.slow else delay_seconds(failures, fraction)
    return Setback(Circuit(open=True, failures=failures), delay)


def after_postponed(circuit: Circuit, fraction: float) -> Setback:
    """Only answers like "out of resources" came: after three times in a row the destination is left alone."""
    failures = circuit.failures + 1
    beyond = failures - POSTPONED_BEFORE_OPENING + 1
    return Setback(Circuit(open=beyond > 0, failures=failures), delay_seconds(beyond, fraction) if beyond > 0 else 0.0)
