"""Fail points: named instants at which a test has a process killed or frozen. None is armed unless a test arms it.

``GATEWAY_FAIL_POINT="kill objects.renamed"`` ends the process with SIGKILL when it first comes there,
``"freeze storage.recorded 3"`` stops it with SIGSTOP the third time. It is no setting of the gateway: no value of it is
of use to an installation.
"""

import os
import signal
import threading
from typing import Final

from services.runtime.errors import UsageError

VARIABLE: Final = "GATEWAY_FAIL_POINT"
POINTS: Final = frozenset(
    {
        "objects.written",  # complete, not durable yet
        "objects.synced",  # its bytes are durable, it has no name yet
        "objects.renamed",  # it has its name, its folder is not durable yet
        "objects.durable",  # all of it is durable, nobody has been answered
        "ingest.answered",  # the answer has been written to the socket, nothing published
        "storage.recorded",  # rows written, not committed
        "storage.committed",  # committed, the message not acknowledged
        "outbox.claimed",  # rows locked, nothing published
        "outbox.published",  # published, not marked
        "forwarder.claimed",  # the lease is committed, no association open
        "forwarder.answered",  # the station has answered, nothing recorded
        "association.asked",  # a request of ours has left whole, its answer not come
        "database.committing",  # any transaction, before its COMMIT
        "database.committed",  # any transaction, after its COMMIT
    }
)
_SIGNALS: Final = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


class _Armed:
    """One point at which something is to happen."""

    def __init__(self, what: signal.Signals, point: str, passes: int) -> None:
        self._what, self._point, self._left = what, point, passes
        self._lock = threading.Lock()

    def passed(self, point: str) -> None:
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if due:
            os.kill(os.getpid(), self._what)


_armed: _Armed | None = None


def arm(text: str | None) -> None:
    """Arm the point that ``text`` names, or none. Raises ``UsageError`` for a text that cannot be."""
    global _armed
    _armed = _read(text) if text else None


def reached(point: str) -> None:
    """The process has come to this point. One comparison where nothing is armed."""
    if _armed is not None:
        _armed.passed(point)


def _read(text: str) -> _Armed:
    match text.split():
        case [what, point] if what in _SIGNALS and point in POINTS:
            return _Armed(_SIGNALS[what], point, 1)
        case [what, point, number] if what in _SIGNALS and point in POINTS and number.isdecimal() and int(number) > 0:
            return _Armed(_SIGNALS[what], point, int(number))
    raise UsageError(
        f"{VARIABLE}={text}: write kill or freeze, a point and, if not the first time, which; unset it unless you "
        f"test. Points: {', '.join(sorted(POINTS))}"
    )
