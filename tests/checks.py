"""Run the static checks, then pytest with the given arguments; exit 0 only if all of them are content.

pytest runs even when a check fails, so that one run tells everything; its summary, which names failed checks, comes
last.
"""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))


def main(arguments: list[str]) -> int:
    """Run everything from the checkout's root; the exit status."""
    os.chdir(CHECKOUT)
    failed = [" ".join(check) for check in CHECKS if not passes(check)]
    # --bench takes its value only after an equals sign, so that a path may follow it.
    given = ["--bench=all" if argument == "--bench" else argument for argument in arguments]
    workers = ["-n", "2", "--dist", "loadfile"]  # most of the time is waiting for servers to start, stop and come back
    command = [sys.executable, "-m", "pytest", f"--failed-checks={'; '.join(failed)}", *workers, *given]
    return subprocess.run(command, check=False).returncode or bool(failed)


def passes(check: tuple[str, ...]) -> bool:
    """Run one check, showing what it says."""
    sys.stdout.write(f"== {' '.join(check)}\n")
    sys.stdout.flush()
    return subprocess.run([str(PROGRAMS / check[0]), *check[1:]], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
