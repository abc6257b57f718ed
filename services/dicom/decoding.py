"""Frames of one instance from the process that decompresses (services.dicom.decoding_process).

A codec that crashes, does not end or wants more memory than a frame needs costs that process and this conversion. What
a process has decoded before may have damaged it, so what fails is the frame's own fault only in a process that was new:
after another one it is tried once more.
"""

import atexit
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import structlog

from services.dicom import metrics
from services.dicom.decoding_process import CHUNK, DAMAGED, END
from services.dicom.transcoding_errors import NotConvertible
from services.runtime.confined import CRASHED, ConfinedProcess, ConfinedProcesses, ProcessFailed

FRAME_SECONDS: Final = 60.0
"""Processor time for one frame."""
SILENCE_SECONDS: Final = 600.0
"""Time for one frame, whatever else the machine does."""
MOST_PROCESSES: Final = 4

PROCESSES: Final = ConfinedProcesses(
    "services.dicom.decoding_process", min(MOST_PROCESSES, len(os.sched_getaffinity(0)))
)
atexit.register(PROCESSES.end_idle)

log = structlog.get_logger(__name__)
T = TypeVar("T")


class _Damaged(Exception):
    """The codec says so."""


class Frames:
    """The frames of the pixel data at ``position`` of an open file; ``options`` as pydicom's ``iter_buffer`` has them.

    The first one is decoded at once: ``size`` is its length, ``properties`` are what pydicom says of it. Raises
    NotConvertible, and Unavailable where no process starts.
    """

    def __init__(
        self, process: ConfinedProcess, descriptor: int, position: int, transfer_syntax: str, frame_bytes: int,
        options: dict[str, Any],
    ) -> None:  # fmt: skip
        self._process, self._descriptor, self._syntax = process, descriptor, transfer_syntax
        self._wanted = json.dumps(
            {
                "position": position, "transfer_syntax": transfer_syntax, "frame_bytes": frame_bytes,
                "options": options, "seconds": FRAME_SECONDS,
            }
        ).encode()  # fmt: skip
        self.size, self.properties = self._twice(self._begin, self._begin)

    def write(self, target: BinaryIO, largest: int) -> tuple[int, int]:
        """Write them all, so that the target has at most ``largest`` bytes; the number of bytes and of frames.

        Raises NotConvertible.
        """
        place = target.tell()

        def again() -> tuple[int, int]:
            target.seek(place)
            target.truncate()
            self._begin()
            return self._copy(target, largest)

        return self._twice(lambda: self._copy(target, largest), again)

    def _begin(self) -> tuple[int, dict[str, Any]]:
        self._process.ask(self._wanted, self._descriptor)
        header = self._header()
        if header is None:
            raise NotConvertible("the pixel data has no frame")
        return header

    def _copy(self, target: BinaryIO, largest: int) -> tuple[int, int]:
        begin, frames = target.tell(), 0
        size: int | None = self.size
        while size is not None:
            end = target.tell() + size
            if end > largest:
                raise NotConvertible(f"decompressed, the data set becomes larger than {largest} bytes")
            while target.tell() < end:
                target.write(self._process.answer(SILENCE_SECONDS))
            frames += 1
            header = self._header()
            size = None if header is None else header[0]
        return target.tell() - begin, frames

    def _header(self) -> tuple[int, dict[str, Any]] | None:
        """Of the next frame: its size, and what pydicom says of it. None after the last."""
        answer = self._process.answer(SILENCE_SECONDS)
        if answer == DAMAGED:
            raise _Damaged
        if answer == END:
            return None
        told = json.loads(answer[1:])
        return told["size"], told["properties"]

    def _twice(self, work: Callable[[], T], again: Callable[[], T]) -> T:
        try:
            return self._once_or_again(work, again)
        except _Damaged:
            raise NotConvertible(
                f"pixel data in {self._syntax} is not decoded by the codecs that are installed, or it is damaged"
            ) from None
        except ProcessFailed as failure:
            metrics.CODEC_FAILURES.labels(failure.cause).inc()
            log.error("codec_failed", transfer_syntax=self._syntax, cause=failure.cause, reason=str(failure))
            raise NotConvertible(f"the codec failed on pixel data in {self._syntax}: {failure}") from failure

    def _once_or_again(self, work: Callable[[], T], again: Callable[[], T]) -> T:
        try:
            return work()
        except _Damaged:
            if self._process.first:
                raise
        except ProcessFailed as failure:
            if failure.first or failure.cause != CRASHED:
                raise
        self._process.end()
        return again()


@contextmanager
def open_file(source: BinaryIO, position: int, end: int, folder: Path) -> Iterator[tuple[int, int]]:
    """A descriptor of a file that has the bytes from ``position`` to ``end``, and where in it they begin: of the source
    itself if it is a file, else of a copy without a name in ``folder``."""
    try:
        descriptor = source.fileno()
    except OSError:
        with tempfile.TemporaryFile(dir=str(folder)) as copy:
            source.seek(position)
            _copy(source, copy, end - position)
            yield copy.fileno(), 0
        return
    source.flush()
    yield descriptor, position


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size and (data := source.read(min(CHUNK, size))):
        size -= target.write(data)
    target.flush()
