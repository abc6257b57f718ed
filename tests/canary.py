"""P9 over a whole run: what the services log anywhere in it is kept to its end, and searched for what must not leak.

Instances of the factories and of the demo bear names that stand nowhere else, and the desk's users such a password. A
log is kept by a second name of its file, so that nothing is copied and what a passed test leaves may go; one that lies
on a small volume of a test's own ends with it.
"""

import errno
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = "TESTS_KEPT_LOGS"
"""The environment variable that names the folder of the run, to its workers too."""
PATIENTS = ("Zaunkoenig", "Test^Patient", "Keller^Anna", "Brown^Samuel", "Nkemelu^Grace")
PASSWORDS = ("correct horse battery",)
FOUND = 6
"""Exit status of a run in which something leaked: no test of it is run again."""
_MOST_TOLD = 20
_SERVING = ("run", "up")


def begin() -> None:
    """Make the folder of the run."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="kept-logs-")
    watch(*PATIENTS, *PASSWORDS)


def watch(*words: str) -> None:
    """Search for these too: what passwords servers and users of the test have."""
    if folder := os.environ.get(FOLDER):
        with (Path(folder) / "words").open("a", encoding="utf-8") as file:
            file.write("".join(f"{word}\n" for word in words if word))


def watch_urls(*urls: str) -> None:
    """Search for the passwords of these addresses."""
    watch(*(urlsplit(url).password or "" for url in urls))


def keep(descriptor: int, command: str) -> None:
    """Keep what a process that serves writes to this file, if it is one."""
    folder, found = os.environ.get(FOLDER), os.fstat(descriptor)
    if not folder or command not in _SERVING or not stat.S_ISREG(found.st_mode) or not found.st_nlink:
        return
    written = Path(f"/proc/self/fd/{descriptor}").readlink()
    kept = Path(folder) / "logs" / f"{found.st_dev}-{found.st_ino}-{written.name}"
    kept.parent.mkdir(exist_ok=True)
    try:
        os.link(written, kept)
    except OSError as error:
        # It was begun by an earlier process of the same name, or lies on a volume of the test's own.
        if error.errno not in (errno.EEXIST, errno.EXDEV):
            raise


def end() -> list[str]:
    """File, line and text of what leaked; the folder goes unless something did."""
    folder = Path(os.environ.pop(FOLDER))
    command = ["grep", "-rnaF", "-f", str(folder / "words"), "--", str(folder / "logs")]
    found = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if found.returncode > 1 and (folder / "logs").exists():
        return [f"the logs could not be searched: {found.stderr}"]
    lines = found.stdout.splitlines()
    if not lines:
        shutil.rmtree(folder, ignore_errors=True)
    return [line[:400] for line in lines[:_MOST_TOLD]]
