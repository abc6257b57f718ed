"""What the two commands need first: when it cannot be installed, they say what to run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.launching import CHECKOUT

pytestmark = pytest.mark.root  # to become nobody

NOBODY = "65534"
SCRIPT = 'set -eu; here=$0/deploy/local; . "$here/lib/bootstrap.sh"; {needed}; install_missing; echo installed'


@pytest.fixture
def copied() -> Iterator[Path]:
    """A copy of deploy/local that anybody may read, in a folder that anybody may write."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o777)
        shutil.copytree(CHECKOUT / "deploy" / "local", folder / "deploy" / "local")
        yield folder
    finally:
        shutil.rmtree(folder)


def by_nobody(
    copied: Path, needed: str, home: str | None = None, first: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Ask for packages as a user who may not install any, with a folder that comes ``first`` on the PATH."""
    privilege = [] if os.geteuid() == 0 else ["sudo", "-n"]
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    bare = ["env", "-i", f"PATH={first}{os.environ['PATH']}", f"HOME={home or copied}"]
    return subprocess.run(
        [*privilege, *drop, *bare, "sh", "-c", SCRIPT.format(needed=needed), str(copied)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_cannot_be_installed_is_named_with_the_command_to_run(copied: Path) -> None:
    done = by_nobody(copied, "need_program no-such-program first-package; need_file second-package /no/such/file")
    assert (done.returncode, done.stdout) == (1, "")
    assert "missing: first-package second-package" in done.stderr
    assert "apt-get update && apt-get install --no-install-recommends first-package second-package" in done.stderr


def test_what_is_there_is_not_installed(copied: Path) -> None:
    done = by_nobody(copied, "need_program sh dash; need_module os sys python3; need_file passwd /etc/passwd")
    assert (done.returncode, done.stdout) == (0, "installed\n"), done.stderr


def test_a_home_that_cannot_be_used_is_replaced(copied: Path) -> None:
    done = by_nobody(copied, 'printf "%s " "$HOME"', home="/nowhere")
    assert done.stdout == f"{copied}/.venv-bootstrap/home installed\n", done.stderr


def test_the_distributions_python_goes_before_others_on_the_path(copied: Path) -> None:
    """ADR 0053. Another is taken where the distribution has none that is new enough."""
    another = copied / "another" / "python3"
    another.parent.mkdir()
    another.write_text("#!/bin/sh\nexit 0\n")
    another.chmod(0o755)
    done = by_nobody(copied, 'printf "%s " "$python"', first=f"{another.parent}:")
    too_old = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False
    )
    expected = str(another) if too_old.returncode else "/usr/bin/python3"
    assert done.stdout == f"{expected} installed\n", done.stderr
