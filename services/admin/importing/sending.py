"""Sending what was found, over several associations at a time."""

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Final

from services.admin.importing.found import Candidate, Found, Left, NotSent
from services.admin.importing.instances import read_instance
from services.admin.importing.line import Line
from services.admin.importing.tally import Fault, Tally
from services.dicom.requestor import Peer
from services.runtime.errors import Unavailable

WAITING: Final = 64
"""Files that are found and not read yet."""
LOOK_SECONDS: Final = 0.2


class Stopped(Unavailable):
    """The process stops, and an import ended before all was looked at."""

    def __init__(self, tally: Tally) -> None:
        told = f"{tally.taken} instances were taken, {tally.faulty} were not" if tally.sent else "nothing was taken yet"
        super().__init__(
            f"the gateway stops: {told}; begin the import again when it runs: what is there already is answered Success"
        )


class Import:
    """``largest``: bytes that an instance may have; ``on_fault`` is told of each file that was not taken."""

    def __init__(self, peer: Peer, associations: int, largest: int, on_fault: Callable[[Fault], None]) -> None:
        self.tally = Tally()
        self._peer, self._associations, self._largest, self._on_fault = peer, associations, largest, on_fault
        self._waiting: queue.Queue[Candidate | None] = queue.Queue(WAITING)
        self._ended = threading.Event()
        self._stopped = False
        self.whole = False
        """Whether all that was found was looked at."""
        self._error: Exception | None = None

    def stop(self) -> None:
        """End after the files that are being sent now; ``run`` raises ``Stopped`` if others are left."""
        self._stopped = True
        self._ended.set()

    def run(self, found: Iterable[Found]) -> Tally:
        """Send everything. What was done so far is in ``tally`` whatever is raised.

        Raises:
            Refused, Unavailable: no association can be had.
            Stopped: ``stop`` was called.
            UsageError: a source cannot be read.
        """
        threads = [
            threading.Thread(target=self._work, name=f"import {number + 1}") for number in range(self._associations)
        ]
        for thread in threads:
            thread.start()
        try:
            for each in found:
                if isinstance(each, Left):
                    self._left(each)
                elif not self._offer(each):
                    break
            all_handed = all([self._offer(None) for _ in threads])
        except BaseException:
            self._ended.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        self.whole = self._error is None and all_handed and self._waiting.empty()
        if self._stopped and not self.whole:
            raise Stopped(self.tally)
        if self._error is not None:
            raise self._error
        return self.tally

    def _offer(self, candidate: Candidate | None) -> bool:
        """Hand over to the threads; False when they have ended."""
        while not self._ended.is_set():
            try:
                self._waiting.put(candidate, timeout=LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _work(self) -> None:
        line = Line(self._peer, self._ended.wait)
        try:
            while not self._ended.is_set():
                try:
                    candidate = self._waiting.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    continue
                if candidate is None:
                    return
                self._send(line, candidate)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that began the import
            self._error = self._error or error
            self._ended.set()
        finally:
            line.close()

    def _send(self, line: Line, candidate: Candidate) -> None:
        try:
            with candidate.open() as source:
                found = read_instance(source)
                if found.size > self._largest:
                    raise NotSent(f"larger than {self._largest} bytes (GATEWAY_MAX_OBJECT_BYTES)", fault=True)
                response = line.store(found, source)
        except NotSent as reason:
            self._left(Left(candidate.name, str(reason), fault=reason.fault or candidate.meant))
        except OSError as fault:
            self._left(Left(candidate.name, f"cannot be read: {fault.strerror or fault}", fault=True))
        else:
            study = found.study_instance_uid
            self._tell(self.tally.answered(candidate.name, response.status, response.comment, found.size, study))

    def _left(self, left: Left) -> None:
        self._tell(self.tally.left(left))

    def _tell(self, fault: Fault | None) -> None:
        if fault is not None:
            self._on_fault(fault)
