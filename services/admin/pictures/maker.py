"""Asks the process that makes pictures, one picture at a time; a process that is too slow or died is replaced."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final

from services.admin.errors import Refused
from services.admin.pictures.process import PNG
from services.runtime.app import Runtime
from services.runtime.errors import Unavailable

SECONDS: Final = 10.0
"""For one picture."""
START_SECONDS: Final = 60.0
MOST_WAITING: Final = 64
IDLE_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 5.0
KEPT_BYTES: Final = 32 << 20
"""Pictures made lately are kept, so that a page that is looked at again does not have them made again."""

Wanted = tuple[str, int, int]


class Pictures:
    """One for the application. ``runtime``: whose objects are drawn, and whose supervisor ends the process."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._used = 0.0
        self._watched = False
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
                self._watch(runtime)
                answer = await asyncio.to_thread(self._ask, runtime, wanted)
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

    def _ask(self, runtime: Runtime, wanted: Wanted) -> bytes:
        """Blocks."""
        key, frame, longest = wanted
        try:
            pipe = self._pipe or self._start(runtime)
            pipe.send_bytes(json.dumps({"key": key, "frame": frame, "longest": longest}).encode())
            if pipe.poll(SECONDS):
                answer = pipe.recv_bytes()
                self._used = time.monotonic()
                return answer
            why = f"it takes longer than {SECONDS:.0f} s"
        except (EOFError, OSError):
            why = "its pixels are not decoded: the decoder failed"
        self._end()
        return b"N" + why.encode()

    def _start(self, runtime: Runtime) -> Connection:
        ours, theirs = Pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.admin.pictures.process", str(theirs.fileno())],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # codecs write what they like there, and it may be patient data
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._pipe, self._used = ours, time.monotonic()
        ours.send_bytes(runtime.settings.model_dump_json().encode())
        if not ours.poll(START_SECONDS):
            raise EOFError
        ours.recv_bytes()
        return ours

    def _end(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pipe = self._process = None

    def _watch(self, runtime: Runtime) -> None:
        if self._watched:
            return
        self._watched = True

        async def watching() -> None:
            stopping = False
            while not stopping:
                stopping = await runtime.supervisor.pause(LOOK_SECONDS)
                if stopping or time.monotonic() - self._used > IDLE_SECONDS:
                    async with self._lock:
                        await asyncio.to_thread(self._end)

        runtime.supervisor.spawn("pictures", watching)

    def _keep(self, wanted: Wanted, picture: bytes) -> None:
        self._kept[wanted] = picture
        while sum(map(len, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)
