"""Run a command that the kernel signals when the parent dies: ``end_with_parent.py PARENT_PID SIGNAL NICE COMMAND…``.

``NICE`` above 0: the command, and its session, run behind others (sched(7), "The autogroup feature"; where there is no
such feature, or it is not to be written, the process's own value is all there is).

Run by the interpreter as a script between dropping privileges (which clears the setting) and the server itself (exec
keeps it). Exits 1 if the parent has died before the setting was made.
"""

import ctypes
import os
import sys
import time
from typing import NoReturn

PR_SET_PDEATHSIG = 1
AUTOGROUP = "/proc/self/autogroup"
ATTEMPTS, PAUSE_SECONDS = 10, 0.1  # the kernel lets all users together write every 100 ms (kernel/sched/autogroup.c)


def main(arguments: list[str]) -> NoReturn:
    """Set the parent death signal, then become the command. Raises OSError when the kernel or exec refuses."""
    parent, signal_number, niceness, *command = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(parent):
        sys.exit(1)
    if int(niceness):
        give_way(int(niceness))
    os.execv(command[0], command)  # noqa: S606 - no shell is meant


def give_way(niceness: int) -> None:
    """Run behind others from now on."""
    os.nice(niceness)
    for _ in range(ATTEMPTS):
        try:
            with open(AUTOGROUP, "w", encoding="ascii") as group:
                group.write(str(niceness))
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError:
            return
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
