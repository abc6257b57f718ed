"""Small disks of memory, mounted for a test, and files that take all their room."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A disk of memory at an empty folder, with these options of tmpfs (size=8m, nr_inodes=20)."""
    mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield folder
    finally:
        unmount(folder, must=False)


def mount(*arguments: str) -> None:
    """mount(8)."""
    subprocess.run([*_AS_ROOT, "mount", *arguments], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the options of a mounted disk."""
    mount("-o", f"remount,{options}", str(folder))


def unmount(folder: Path, *, must: bool = True) -> None:
    """Unmount it though files on it are open."""
    subprocess.run([*_AS_ROOT, "umount", "--lazy", str(folder)], check=must)


def fill(disk: Path, leave: int) -> Path:
    """A file that takes all room but so many bytes."""
    ballast = disk / "ballast"
    at = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(at.f_bavail * at.f_frsize - leave, 1))
    return ballast
