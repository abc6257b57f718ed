"""What became of the files of an import. Counts everything, names what went wrong; memory does not grow with files."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from services.admin.importing.found import Left
from services.dicom.status import FAILURE, classify, name

MOST_NAMED: Final = 1000
"""Files with a fault that the answer names; how many there are it says."""

MOST_STUDIES: Final = 100
"""Studies that the answer names."""


@dataclass(frozen=True)
class Fault:
    """A file that was not taken; ``status`` is None when the gateway was not asked."""

    file: str
    status: int | None
    reason: str


@dataclass
class Tally:
    """Several threads count in it."""

    statuses: Counter[int] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    faulty: int = 0
    studies: dict[str, None] = field(default_factory=dict)
    sent_bytes: int = 0
    begun_at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, file: str, status: int, comment: str, size: int, study: str) -> Fault | None:
        """The gateway answered a C-STORE; the fault if it refused. ``study``: its Study Instance UID, or ""."""
        with self._lock:
            self.statuses[status] += 1
            self.sent_bytes += size
            taken = classify(status) is not FAILURE
            if taken and study and len(self.studies) < MOST_STUDIES:
                self.studies[study] = None
        if taken:
            return None
        return self._faulty(Fault(file, status, comment or name(status)))

    def left(self, left: Left) -> Fault | None:
        """A file was not sent; the fault if it should have been."""
        if left.fault:
            return self._faulty(Fault(left.name, None, left.reason))
        with self._lock:
            self.skipped[left.reason] += 1
        return None

    def _faulty(self, fault: Fault) -> Fault:
        with self._lock:
            self.faulty += 1
            if len(self.faults) < MOST_NAMED:
                self.faults.append(fault)
        return fault

    @property
    def sent(self) -> int:
        """C-STOREs that were answered."""
        return self.statuses.total()

    @property
    def taken(self) -> int:
        """C-STOREs that were not refused."""
        return sum(files for status, files in self.statuses.items() if classify(status) is not FAILURE)

    def summary(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "sent": self.sent,
            "bytes": self.sent_bytes,
            "seconds": round(time.monotonic() - self.begun_at, 3),
            "statuses": [
                {"status": f"{status:04X}", "name": name(status) or "Success", "files": files}
                for status, files in sorted(self.statuses.items())
            ],
            "skipped": [{"reason": reason, "files": files} for reason, files in sorted(self.skipped.items())],
            "studies": list(self.studies),
            "not_taken": self.faulty,
            "faults": [
                {"file": each.file, "status": None if each.status is None else f"{each.status:04X}",
                 "reason": each.reason}
                for each in self.faults
            ],
        }  # fmt: skip
