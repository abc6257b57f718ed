"""Files and folders of a file system."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from services.admin.importing.found import Candidate, Found, Left


def below(folder: Path) -> Iterator[Found]:
    """All files below a folder, links to folders left out; one folder after the other, so that memory stays small."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_dir():
                        yield Left(entry.path, "a link to a folder")
                    else:
                        yield regular(Path(entry.path))
        except OSError as fault:
            yield Left(str(here), f"cannot be read: {fault.strerror}", fault=True)


def regular(file: Path, *, meant: bool = False) -> Found:
    """A file by its path; what is no plain file would block, and is left. ``meant``: somebody named it."""
    try:
        mode = file.stat().st_mode
    except OSError as fault:
        return Left(str(file), f"cannot be read: {fault.strerror}", fault=True)
    if not stat.S_ISREG(mode):
        return Left(str(file), "no plain file", fault=meant)
    return Candidate(str(file), partial(_opened, file), meant)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    with file.open("rb") as source:
        yield source
