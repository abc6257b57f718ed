"""Association slots shared by processes: one flock'ed file each, so that the kernel frees them when a process dies."""

import errno
import fcntl
import os
import threading
from pathlib import Path


class Slot:
    """One held slot, with the slot of its holder's share if there are shares."""

    def __init__(self, slots: "Slots", number: int, descriptor: int, share: "Slot | None" = None) -> None:
        self._slots, self._number, self._descriptor, self._share = slots, number, descriptor, share

    def release(self) -> None:
        """Give it back; idempotent."""
        if self._descriptor >= 0:
            self._slots.give_back(self._number, self._descriptor)
            self._descriptor = -1
        if self._share is not None:
            self._share.release()


class Slots:
    """``limit`` slots in ``folder``; the limit may be changed at any time, held slots above it stay held.

    One holder gets ``share`` of them at most (None: all), counted over all processes in a folder of its own.
    """

    def __init__(self, folder: Path, limit: int, share: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.limit = limit
        self._share = share
        self._shares: dict[str, Slots] = {}
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    def acquire(self, holder: str = "") -> Slot | None:
        """A slot, or None when all, or the holder's share, are taken by this or other processes.

        With shares, what is kept of a holder stays: holders are the known stations. Raises OSError if the folder is not
        usable.
        """
        if self._share is None:
            return self._take(None)
        share = self._share_of(holder, self._share).acquire()
        if share is None:
            return None
        try:
            slot = self._take(share)
        except OSError:
            share.release()
            raise
        if slot is None:
            share.release()
        return slot

    def _share_of(self, holder: str, share: int) -> "Slots":
        with self._lock:
            if holder not in self._shares:
                self._shares[holder] = Slots(self._folder / f"of-{holder.encode().hex()}", share)
            return self._shares[holder]

    def _take(self, share: Slot | None) -> Slot | None:
        with self._lock:
            for number in range(self.limit):
                if number not in self._held and (descriptor := self._try(number)) is not None:
                    self._held[number] = descriptor
                    return Slot(self, number, descriptor, share)
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
