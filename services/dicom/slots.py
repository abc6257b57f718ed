"""Association slots shared by processes: one flock'ed file each, so that the kernel frees them when a process dies."""

import errno
import fcntl
import os
import threading
from collections.abc import Mapping
from pathlib import Path


class Slot:
    """One held slot, with the slots of the shares it counts for."""

    def __init__(self, slots: "Slots", number: int, descriptor: int) -> None:
        self._slots, self._number, self._descriptor = slots, number, descriptor
        self.shares: list[Slot] = []

    def release(self) -> None:
        """Give it back; idempotent."""
        if self._descriptor >= 0:
            self._slots.give_back(self._number, self._descriptor)
            self._descriptor = -1
        for share in self.shares:
            share.release()


class Slots:
    """``limit`` slots in ``folder``; the limit may be changed at any time, held slots above it stay held."""

    def __init__(self, folder: Path, limit: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.limit = limit
        self._shares: dict[str, Slots] = {}
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    def acquire(self, shares: Mapping[str, int] | None = None) -> Slot | None:
        """A slot, or None when all are taken by this or other processes.

        ``shares`` limits, by name, how many slots may be held for it at a time over all processes: None as well when
        one of them is used up. What is kept of a name stays, so names are those of known stations and titles, never
        what a stranger sent. Raises OSError if the folder is not usable.
        """
        held: list[Slot] = []
        try:
            for name, limit in (shares or {}).items():
                share = self._share_of(name, limit).acquire()
                if share is None:
                    break
                held.append(share)
            else:
                slot = self._take()
                if slot is not None:
                    slot.shares, held = held, []
                return slot
        finally:
            for share in held:
                share.release()
        return None

    def _share_of(self, name: str, limit: int) -> "Slots":
        with self._lock:
            if name not in self._shares:
                self._shares[name] = Slots(self._folder / f"of-{name.encode().hex()}", limit)
            self._shares[name].limit = limit
            return self._shares[name]

    def _take(self) -> Slot | None:
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
