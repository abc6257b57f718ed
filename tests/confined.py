"""The processes that a process has started for what may crash (services.runtime.confined)."""

import os
from pathlib import Path


def children(module: str, parent: int | None = None) -> list[int]:
    """Numbers of those that run ``module`` and were started by this process, or by ``parent``."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            words = (each / "cmdline").read_bytes().split(b"\0")
            started_by = int((each / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if started_by == (parent or os.getpid()) and module.encode() in words:
            found.append(int(each.name))
    return found
