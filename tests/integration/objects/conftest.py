"""Small real file systems for the tests of the object store."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]

Mount = Callable[[str], Path]


@pytest.fixture
def mount_tmpfs(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a tmpfs with the given options (size=1m, nr_inodes=20); unmounted at the end."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        options = f"{options},uid={os.getuid()},mode=700"
        subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run([*AS_ROOT, "umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the options of a mounted file system."""
    subprocess.run([*AS_ROOT, "mount", "-o", f"remount,{options}", str(folder)], check=True)
