"""Association slots shared by processes: one flock'ed file each, so that the kernel frees them when a process dies."""

import errno
import fcntl
import os
import threading
from pathlib import Path


class Slot:
    """One held slot."""

    def __init__(self, slots: "Slots", number: int, descriptor: int) -> None:
        self._slots, self._number, self._descriptor = slots, number, descriptor

    def release(self) -> None:
        """Give it back; idempotent."""
        if self._descriptor >= 0:
            self._slots.give_back(self._number, self._descriptor)
            self._descriptor = -1


class Slots:
    """``limit`` slots in ``folder``; the limit may be changed at any time, held slots above it stay held."""

    def __init__(self, folder: Path, limit: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.limit = limit
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    def acquire(self) -> Slot | None:
        """A slot, or None when all are taken by this or other processes. Raises OSError if the folder is not usable."""
        with self._lock:
            for number in range(self.limit):
                if number not in self._held and (descriptor := self._try(number)) is not None:
                    self._held[number] = descriptor
                    return Slot(self, number, descriptor)
        return None

    def give_back(self, number: int, descriptor: int) -> None:
        """Called by Slot.release."""
        with self._lock:
            del self._held[number]
            os.close(descriptor)

    def _try(self, number: int) -> int | None:
        descriptor = os.open(self._folder / f"slot-{number:04d}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise
        return descriptor
