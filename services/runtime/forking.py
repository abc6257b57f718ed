"""A process of the gateway that begins as a copy of its supervisor, which has loaded what all need.

A Python that starts from nothing takes seconds of processor time to load what a service needs; seven of them together
keep a small machine busy for half a minute. Copies share the loaded modules' memory, too. What must not be shared
(descriptors, the session, signals, the environment) is put right here, before the service's own code runs.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

import setproctitle

NICE: Final = 10
"""Of processes that give way: they get a tenth of what the others get, and all that these leave."""
_AUTOGROUP: Final = "/proc/self/autogroup"
_AUTOGROUP_SECONDS: Final = 0.1  # the kernel lets users without privileges write it no more often than that
_AUTOGROUP_ATTEMPTS: Final = 20
_PR_SET_PDEATHSIG: Final = 1
_FAILED: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class ForkedProcess:
    """A child of this process; ``status`` is its exit status once it has ended, negative for a signal."""

    pid: int
    status: int | None = None

    def alive(self) -> bool:
        """False once it has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():  # its number belongs to nobody else before it has been waited for
            os.kill(self.pid, number)


def keep_shared() -> None:
    """What is loaded now stays where it is, so that copies go on sharing its memory."""
    gc.collect()
    gc.freeze()


def give_way() -> None:
    """Let this process run behind others from now on; call it before it has threads, in a session of its own.

    Where the kernel shares the processors among sessions, a process's nice value counts within its session only, and
    the session has one of its own (sched(7), "The autogroup feature"). Where there is no such feature, or it is not to
    be written, the process's own value is all there is.
    """
    os.nice(NICE)
    for _ in range(_AUTOGROUP_ATTEMPTS):
        try:
            with open(_AUTOGROUP, "w", encoding="ascii") as group:
                group.write(str(NICE))
        except BlockingIOError:
            time.sleep(_AUTOGROUP_SECONDS)
        except OSError:
            return
        else:
            return


def forked(
    name: str,
    run: Callable[[], int],
    *,
    gives_way: bool = False,
    environment: Mapping[str, str],
    unblocked: Collection[signal.Signals],
    closed: Sequence[int],
) -> ForkedProcess:
    """Start a process called ``name`` that ends with what ``run`` returns. Call it from a process of one thread.

    ``environment`` is added to its own; ``unblocked`` signals reach it though they are blocked here; descriptors that
    are ``closed`` are ours alone. It has a session of its own (Ctrl-C of a terminal reaches only us), reads nothing,
    and dies when we do. With ``gives_way`` others run before it.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else the copy would write what waits there once more
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        settle = partial(_settle, name, parent, environment, unblocked, closed, gives_way=gives_way)
        _run_to_the_end(settle, run)
    return ForkedProcess(pid)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_FAILED)


def _settle(
    name: str,
    parent: int,
    environment: Mapping[str, str],
    unblocked: Collection[signal.Signals],
    closed: Sequence[int],
    *,
    gives_way: bool,
) -> None:
    die_with(parent)
    os.setsid()
    if gives_way:
        give_way()
    for descriptor in closed:
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.environ.update(environment)
    setproctitle.setproctitle(name)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, unblocked)


def _run_to_the_end(settle: Callable[[], None], run: Callable[[], int]) -> NoReturn:
    """Nothing of the supervisor's that stands above us on the stack may run here, so this never returns nor raises."""
    status = _FAILED
    try:
        settle()
        status = run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else _FAILED
    except BaseException:  # noqa: BLE001 - whatever it is, it ends here
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
