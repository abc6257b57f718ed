"""Child processes that end with us, and what the kernel knows about processes (/proc)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO

from private_servers.errors import PrivateServerError

# PR_SET_PDEATHSIG follows the thread that forked, so one thread that lives as long as this process starts every server.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="private-servers")
_SHIM = Path(__file__).with_name("end_with_parent.py")
_POLL_SECONDS = 0.02
# The kernel lets all users together write a session's value every 100 ms (kernel/sched/autogroup.c).
_AUTOGROUP_ATTEMPTS, _AUTOGROUP_SECONDS = 10, 0.1


def start_with_us(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdout: "IO[bytes] | int",
    stderr: "IO[bytes] | int" = subprocess.STDOUT,
    privileges: Sequence[str] = (),
    end_signal: signal.Signals = signal.SIGKILL,
    keep_open: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start ``command`` in ``folder`` in its own session, stdin empty.

    ``privileges`` is a command prefix that drops privileges and executes the rest. ``end_signal`` is what the kernel
    sends when this process ends. ``keep_open`` are file descriptors the child inherits.
    """
    shim = [interpreter(), "-I", "-S", str(_SHIM), str(os.getpid()), str(int(end_signal))]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*privileges, *shim, *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            pass_fds=tuple(keep_open),
        )

    return _starter.submit(start).result()


def give_way(process: "subprocess.Popen[bytes]", niceness: int) -> None:
    """Have the process, all its descendants and its session run behind others from now on.

    Where the kernel does not share among sessions (sched(7), "The autogroup feature"), or lets nobody say so, the
    values of the processes are all there is. A server of another account stays as it is where root may not say so
    (a container without CAP_SYS_NICE).
    """
    _renice(process.pid, niceness)  # first: what it starts from now on is as nice
    for pid in descendants(process.pid):
        _renice(pid, niceness)
    for _ in range(_AUTOGROUP_ATTEMPTS):
        try:
            Path(f"/proc/{process.pid}/autogroup").write_text(str(niceness), encoding="ascii")
        except BlockingIOError:
            sleep(_AUTOGROUP_SECONDS)
        except OSError:
            return
        else:
            return


def _renice(pid: int, niceness: int) -> None:
    """Every thread: each has a value of its own."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError, PermissionError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), os.getpriority(os.PRIO_PROCESS, 0) + niceness)


def interpreter() -> str:
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(sys.executable)


def wait_until(condition: Callable[[], bool], *, limit: float) -> bool:
    """Whether ``condition`` became true within ``limit`` seconds."""
    deadline = monotonic() + limit
    while not condition():
        if monotonic() > deadline:
            return False
        sleep(_POLL_SECONDS)
    return True


def end(process: "subprocess.Popen[bytes]", how: signal.Signals, *, limit: float) -> bool:
    """Signal ``process`` and wait; after ``limit`` seconds kill it with everything below it. True if it went alone."""
    if process.poll() is not None:
        return True
    process.send_signal(how)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        kill_tree(process)
        return False
    return True


def kill_tree(process: "subprocess.Popen[bytes]", *, limit: float = 10) -> None:
    """kill -9 the process and all its descendants and wait until they are gone. Raises PrivateServerError."""
    below = descendants(process.pid)
    for pid in (process.pid, *below):
        _signal(pid, signal.SIGKILL)
    process.wait(limit)
    if not wait_until(lambda: not any(is_running(pid) for pid in below), limit=limit):
        raise PrivateServerError(f"processes {below} are still there {limit:.0f} s after kill -9")


def signal_tree(process: "subprocess.Popen[bytes]", what: signal.Signals) -> None:
    """Signal the process and all its descendants."""
    for pid in (process.pid, *descendants(process.pid)):
        _signal(pid, what)


def descendants(pid: int) -> list[int]:
    """Processes below ``pid``, nearest first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(children.get(pid, ()))
    for child in found:
        found.extend(children.get(child, ()))
    return found


def is_running(pid: int) -> bool:
    """Whether a process with this id exists and is not a zombie."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def _stat(pid: int) -> list[str] | None:
    """State, parent and so on: /proc/PID/stat after the name in parentheses (proc(5)); None if there is no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _signal(pid: int, what: signal.Signals) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return
