"""Room on the volumes of PostgreSQL and RabbitMQ where their data lie in the home folder, as deploy/local has them.

Elsewhere they run on hosts of their own, which tell of their disks themselves.
"""

import os
from pathlib import Path
from typing import Final

from services.runtime.objects import FreeSpace

FOLDERS: Final = {"database": "postgresql", "broker": "rabbitmq"}


def free_space(home: Path) -> dict[str, FreeSpace]:
    """By volume what is free in it and in all; what does not lie in the home folder is left out."""
    found = {}
    for volume, folder in FOLDERS.items():
        try:
            at = os.statvfs(home / folder)
        except OSError:
            continue
        found[volume] = FreeSpace(at.f_bavail * at.f_frsize, at.f_blocks * at.f_frsize)
    return found
