"""A process for what may crash, never end or take all memory: code that parses what strangers sent.

It is started when it is first needed, is kept for what comes next, lives under limits, and is replaced when it has
ended. It is asked and answers in messages over a socket that it alone has; a file goes to it as a descriptor.
"""

import contextlib
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Final

from services.runtime.errors import GatewayError, Unavailable
from services.runtime.forking import die_with

NICE: Final = 5
READY: Final = b"R"
"""What it says once, before its first answer."""
START_SECONDS: Final = 60.0
MESSAGE_SECONDS: Final = 30.0
"""For the rest of a message that has begun."""
END_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 600.0
"""After so long without use it is ended."""
WAIT_SECONDS: Final = 600.0
"""For one of several to be free."""

_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Else each thread takes 64 MiB of address space, and there are as many as processors."""

CAUSES = (CRASHED, SLOW, SILENT) = ("crashed", "slow", "silent")


class ProcessFailed(GatewayError):
    """It ended before it answered, or had to be ended. ``cause`` is one of three; the text says how.

    ``first``: it was the first thing this process was asked, so that nothing before can be the reason.
    """

    def __init__(self, cause: str, text: str, *, first: bool) -> None:
        super().__init__(text)
        self.cause, self.first = cause, first


class ConfinedProcess:
    """A line to a process that runs ``module``; the next message after its end starts another. Blocks, one thread at a
    time.

    ``greeting`` is the first message each one gets; its module calls ``confined`` and says READY.
    """

    def __init__(self, module: str, greeting: bytes = b"") -> None:
        self._module, self._greeting = module, greeting
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._asked = 0
        self.used_at = time.monotonic()

    @property
    def first(self) -> bool:
        """Whether what was asked last is the first thing that the process was asked."""
        return self._asked == 1

    def ask(self, message: bytes, descriptor: int | None = None) -> None:
        """Send a message, and a file that is open here. Raises ``ProcessFailed``; ``Unavailable`` if none starts."""
        pipe = self._pipe or self._start()
        self._asked += 1
        try:
            pipe.send_bytes(message)
            if descriptor is not None:
                send_handle(pipe, descriptor, 0)
        except OSError as error:
            raise self._failed() from error

    def answer(self, seconds: float) -> bytes:
        """The next message, which begins within ``seconds``. Raises ``ProcessFailed``; the process has ended then."""
        if self._pipe is None:
            raise self._failed()
        try:
            if self._pipe.poll(seconds):
                return self._pipe.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._failed() from error
        first = self.first
        self.end()
        raise ProcessFailed(SILENT, f"it said nothing for {seconds:g} s", first=first)

    def end(self) -> None:
        """End it, whatever it does."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._pipe, self._asked = None, None, 0

    def _start(self) -> Connection:
        try:
            self._process, self._pipe = _starter.submit(_started, self._module).result()
            self._pipe.send_bytes(self._greeting)
            if self._pipe.poll(START_SECONDS) and self._pipe.recv_bytes() == READY:
                return self._pipe
        except (EOFError, OSError):
            pass
        self.end()
        raise Unavailable(f"the process {self._module} (it does not start)")

    def _failed(self) -> ProcessFailed:
        """How it ended; what closed its end of the line and goes on is killed."""
        first, process = self.first, self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process is not None:
                process.wait(END_SECONDS)
        status = None if process is None else process.returncode
        self.end()
        if status == -signal.SIGPROF:
            return ProcessFailed(SLOW, "it took more processor time than it may", first=first)
        return ProcessFailed(CRASHED, _ending(status), first=first)


def _ending(status: int | None) -> str:
    """Words for an exit status (pure)."""
    if status is None:
        return "it closed its line"
    if status < 0:
        hint = ", as the kernel does where memory is short" if status == -signal.SIGKILL else ""
        return f"it was ended by {signal.Signals(-status).name}{hint}"
    return f"it ended with status {status}"


_starter: Final = ThreadPoolExecutor(1, thread_name_prefix="confined")
"""A thread that lasts: what the kernel ends with its parent, it ends with the thread that started it."""


def _started(module: str) -> tuple[subprocess.Popen[bytes], Connection]:
    ours, theirs = socket.socketpair()
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(MESSAGE_SECONDS), 0))
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), str(os.getpid())],
            env=os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # codecs write what they like there, and it may be patient data
            pass_fds=[theirs.fileno()],
        )
        return process, Connection(os.dup(ours.fileno()))


class ConfinedProcesses:
    """At most ``most`` processes that run ``module``, each with the greeting."""

    def __init__(self, module: str, most: int, greeting: bytes = b"") -> None:
        self._module, self._most, self._greeting = module, most, greeting
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[ConfinedProcess] = []
        self._look: threading.Timer | None = None

    @contextmanager
    def lent(self) -> Iterator[ConfinedProcess]:
        """One that nobody else uses within the block; if the block raises, it is ended: who knows what it does.

        Raises ``Unavailable`` if all are busy for too long.
        """
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise Unavailable(f"the process {self._module} (all {self._most} were busy for {WAIT_SECONDS:.0f} s)")
        try:
            with self._lock:
                process = self._idle.pop() if self._idle else ConfinedProcess(self._module, self._greeting)
            try:
                yield process
            except BaseException:
                process.end()
                raise
            process.used_at = time.monotonic()
            with self._lock:
                self._idle.append(process)
                self._look_later()
        finally:
            self._places.release()

    def end_idle(self, seconds: float = 0.0) -> None:
        """End those that nobody has used for so long."""
        with self._lock:
            since = time.monotonic() - seconds
            for process in [each for each in self._idle if each.used_at <= since]:
                self._idle.remove(process)
                process.end()
            self._look = None
            if self._idle:
                self._look_later()

    def _look_later(self) -> None:
        if self._look is None:
            self._look = threading.Timer(IDLE_SECONDS, self.end_idle, [IDLE_SECONDS])
            self._look.daemon = True
            self._look.start()


def confined(memory: int) -> Connection:
    """Put this process, which has just been started, under its limits; the line to who asks.

    ``memory``: bytes of address space. It dies with who started it, not by signals that are meant for all processes of
    a service, and first where memory is short.
    """
    die_with(int(sys.argv[2]))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICE)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write("1000")
    return Connection(int(sys.argv[1]))
