"""Run a command that the kernel signals when the parent dies: ``end_with_parent.py PARENT_PID SIGNAL COMMAND…``.

Run by the interpreter as a script between dropping privileges (which clears the setting) and the server itself (exec
keeps it). Exits 1 if the parent has died before the setting was made.
"""

import ctypes
import os
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> NoReturn:
    """Set the parent death signal, then become the command. Raises OSError when the kernel or exec refuses."""
    parent, signal_number, *command = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is meant


if __name__ == "__main__":
    main(sys.argv[1:])
