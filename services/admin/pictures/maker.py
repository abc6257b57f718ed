"""Asks the process that makes pictures, one picture at a time; a process that is too slow or died is replaced."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from services.admin.errors import Refused
from services.admin.pictures.process import NONE, PNG
from services.runtime.app import Runtime
from services.runtime.confined import SILENT, ConfinedProcesses, ProcessFailed
from services.runtime.errors import Unavailable

SECONDS: Final = 10.0
"""For one picture."""
MOST_WAITING: Final = 64
KEPT_BYTES: Final = 32 << 20
"""Pictures made lately are kept, so that a page that is looked at again does not have them made again."""

Wanted = tuple[str, int, int]


class Pictures:
    """One for the application. ``runtime``: whose objects are drawn, and whose supervisor ends the process."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._processes: ConfinedProcesses | None = None
        self._kept: OrderedDict[Wanted, bytes] = OrderedDict()

    async def make(self, runtime: Runtime, key: str, frame: int, longest: int) -> bytes:
        """A frame of an object as a PNG of at most ``longest`` pixels each way.

        Raises ``Refused`` if there is no picture, ``Unavailable`` if too many are being made.
        """
        wanted = (key, frame, longest)
        if wanted in self._kept:
            self._kept.move_to_end(wanted)
            return self._kept[wanted]
        if self._waiting >= MOST_WAITING:
            raise Unavailable(f"{MOST_WAITING} pictures wait to be made: try again in a moment")
        self._waiting += 1
        try:
            async with self._lock:
                answer = await asyncio.to_thread(self._ask, self._begun(runtime), wanted)
        finally:
            self._waiting -= 1
        if answer[:1] != PNG:
            raise Refused(f"no picture: {answer[1:].decode()}")
        self._keep(wanted, answer[1:])
        return answer[1:]

    def forget(self, keys: Sequence[str]) -> None:
        """Keep no picture of these objects."""
        gone = set(keys)
        for wanted in [each for each in self._kept if each[0] in gone]:
            del self._kept[wanted]

    def _begun(self, runtime: Runtime) -> ConfinedProcesses:
        if self._processes is None:
            greeting = runtime.settings.model_dump_json().encode()
            self._processes = processes = ConfinedProcesses("services.admin.pictures.process", 1, greeting)

            async def ending() -> None:
                await runtime.supervisor.stopping.wait()
                await asyncio.to_thread(processes.end_idle)

            runtime.supervisor.spawn("pictures", ending)
        return self._processes

    def _ask(self, processes: ConfinedProcesses, wanted: Wanted) -> bytes:
        """Blocks."""
        key, frame, longest = wanted
        try:
            with processes.lent() as process:
                process.ask(json.dumps({"key": key, "frame": frame, "longest": longest}).encode())
                return process.answer(SECONDS)
        except ProcessFailed as failure:
            slow = failure.cause == SILENT
            why = f"it takes longer than {SECONDS:.0f} s" if slow else "its pixels are not decoded: the decoder failed"
            return NONE + why.encode()

    def _keep(self, wanted: Wanted, picture: bytes) -> None:
        self._kept[wanted] = picture
        while sum(map(len, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)
