"""Processes of ``gateway …`` without the price of starting a Python for each.

A server of this test process has loaded every module of the gateway and forks itself on request. What it makes is a
process like one of ``python -m services.cli``: of its own session, with the environment, folder and descriptors asked
for. How a process starts from nothing, the tests of ``gateway up``, the launcher and the command line see.
"""

import atexit
import fcntl
import functools
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from services.runtime.forking import die_with, keep_shared
from tests import canary

REPOSITORY = Path(__file__).resolve().parents[1]
LONGEST_REQUEST = 1 << 20
MOST_DESCRIPTORS = 16
ABOVE_ALL_WANTED = 500  # descriptors that were received stand there until they are put where they are wanted
READ_AT_START = frozenset({"LD_PRELOAD", "PYTHONIOENCODING"})
_STATUS = struct.Struct("i")


@dataclass
class ForkedProcess:
    """As far as tests need it, what ``subprocess.Popen`` is: a process and its exit status."""

    pid: int
    _status: int
    returncode: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit status. Raises subprocess.TimeoutExpired."""
        ended = self._ended(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return ended

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and self._told(seconds):
                told = os.read(self._status, _STATUS.size)
                os.close(self._status)
                # The server ended without a word: nobody knows how the process did.
                self.returncode = _STATUS.unpack(told)[0] if told else -signal.SIGKILL
            return self.returncode

    def _told(self, seconds: float | None) -> bool:
        """By poll: a storm has more descriptors than select takes."""
        waiting = select.poll()
        waiting.register(self._status, select.POLLIN)
        return bool(waiting.poll(None if seconds is None else seconds * 1000))


Process = ForkedProcess | subprocess.Popen[bytes]


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes] | None = None,
    inherited: Sequence[int] = (),
    prefix: Sequence[str] = (),
) -> Process:
    """Start ``gateway`` with these arguments; descriptors that are ``inherited`` keep their numbers.

    Without ``errors`` they go where the output goes. Under ``prefix``, another command, and where the environment says
    what is read when a program starts, it is a Python of its own.
    """
    errors = errors or output
    for stream in (output, errors):
        canary.keep(stream.fileno(), arguments[0])
    if prefix or not READ_AT_START.isdisjoint(environment):
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "services.cli", *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            pass_fds=inherited,
            start_new_session=True,
        )
    status, told = os.pipe()
    request = {"arguments": list(arguments), "environment": dict(environment), "inherited": list(inherited)}
    try:
        channel, lock = _server()
        with lock:
            socket.send_fds(
                channel, [json.dumps(request).encode()], [told, output.fileno(), errors.fileno(), *inherited]
            )
            answer = channel.recv(_STATUS.size)
    finally:
        os.close(told)
    return ForkedProcess(_STATUS.unpack(answer)[0], status)


def run(arguments: Sequence[str], environment: Mapping[str, str], limit: float) -> subprocess.CompletedProcess[str]:
    """Run ``gateway`` with these arguments to its end. Raises subprocess.TimeoutExpired after ``limit`` seconds."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start(arguments, environment, output, errors)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
        texts = [_whole(stream) for stream in (output, errors)]
    return subprocess.CompletedProcess(list(arguments), status, *texts)


def _whole(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


@functools.cache
def _server() -> tuple[socket.socket, threading.Lock]:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(its.fileno())],
            cwd=REPOSITORY,
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
        )
    atexit.register(_end, process, ours)
    return ours, threading.Lock()


def _end(process: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
    channel.close()
    process.wait(10)


# --------------------------------------------------------------------------------------------- in the server


def serve(channel: socket.socket) -> None:
    """Fork what is asked for and tell how it ended, until nobody is at the other end."""
    _load(importlib.import_module("services"))
    keep_shared()
    wake, woken = os.pipe2(os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    running: dict[int, int] = {}
    server = os.getpid()
    while True:
        if wake in select.select([channel, wake], [], [])[0]:
            os.read(wake, 1 << 16)
            _tell_ended(running)
            continue
        message, descriptors, _, _ = socket.recv_fds(channel, LONGEST_REQUEST, MOST_DESCRIPTORS)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (channel.detach(), wake, woken, *running.values()):
                os.close(number)
            _become({**json.loads(message), "server": server}, descriptors)
        for number in descriptors[1:]:
            os.close(number)
        running[pid] = descriptors[0]
        channel.send(_STATUS.pack(pid))


def _load(package: Any) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


def _tell_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        told = running.pop(pid)
        os.write(told, _STATUS.pack(os.waitstatus_to_exitcode(status)))
        os.close(told)


def _become(request: Mapping[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Be that process: as after an exec, but for the modules that are loaded."""
    os.close(descriptors[0])
    received = [fcntl.fcntl(number, fcntl.F_DUPFD, ABOVE_ALL_WANTED) for number in descriptors[1:]]
    for number in descriptors[1:]:
        os.close(number)
    for number, wanted in zip(received, (1, 2, *request["inherited"]), strict=True):
        os.dup2(number, wanted)
        os.close(number)
    os.setsid()
    die_with(request["server"])  # nothing outlives a run that is cut off
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = ["gateway", *request["arguments"]]
    from services.cli import main

    sys.exit(main())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as channel_of_the_tests:
        serve(channel_of_the_tests)
