"""promtool, of Debian's package prometheus: ``tests/run`` installs it."""

import shutil
import subprocess
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Where it is. Skips the test where it is not."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: apt-get install --no-install-recommends prometheus")
    return found


def promtool(*arguments: str | Path) -> None:
    """Run it. Fails the test with what it says."""
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
