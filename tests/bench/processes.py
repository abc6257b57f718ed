"""Processor time and memory of processes and all below them, as the kernel counts them (proc(5))."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from private_servers.processes import descendants

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER_TIME, _CHILDREN_SYSTEM_TIME = 11, 14
"""utime, stime, cutime and cstime in /proc/PID/stat, counted after the name in parentheses."""


def processor_seconds(pids: Iterable[int]) -> float:
    """Processor time of these processes and those below them, the ended ones included that were waited for."""
    return sum(_seconds(each) for pid in pids for each in (pid, *descendants(pid)))


def spent(groups: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Processor seconds so far by group."""
    return {name: processor_seconds(pids) for name, pids in groups.items()}


def since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """What was spent between the two."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in now.items()}


def peak_megabytes(pid: int) -> float:
    """The most memory that was ever resident, shared pages included, in 1,000,000 bytes. Raises KeyError for a process
    without memory."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in status)
    return int(values["VmHWM"].split()[0]) * 1024 / 1e6


def share_megabytes(pid: int) -> float:
    """Memory at this moment in 1,000,000 bytes, pages shared by n processes counted as one n-th (proc(5), Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[_USER_TIME : _CHILDREN_SYSTEM_TIME + 1])) / _TICKS
