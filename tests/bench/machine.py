"""What figures were measured on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_DISKS: Final = (Path("/var/tmp"), Path(__file__).resolve().parents[2])


def described() -> dict[str, str]:
    """Date, processors, memory, kernel, Python."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processors": f"{os.cpu_count()} x {_model()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "kernel": f"Linux {platform.release()}",
        "python": f"Python {platform.python_version()}",
        "load": f"load {os.getloadavg()[0]:.1f} at the end",
    }


def disk() -> Path:
    """A folder on a real disk: what waits for a disk is not measured on one in memory. Raises RuntimeError."""
    found = {place: file_system(place) for place in _DISKS if os.access(place, os.W_OK)}
    for place, kind in found.items():
        if kind not in IN_MEMORY:
            return place
    raise RuntimeError(f"no folder on a disk to measure on: {found}; run from a checkout that lies on one")


def file_system(place: Path) -> str:
    """The type of the file system that holds a folder (proc(5), mountinfo)."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, more = line.partition(" - ")
        point = fields.split()[4]
        if len(point) >= len(best) and (place == Path(point) or Path(point) in place.parents):
            best, kind = point, more.split()[0]
    return kind


def _model() -> str:
    names = [line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return names[0].strip() if names else platform.machine()
