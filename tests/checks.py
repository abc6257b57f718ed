"""Run the static checks and, beside them, pytest with the given arguments; exit 0 only if all of them are content.

pytest runs even when a check fails, so that one run tells everything; its summary, which names failed checks, comes
last. Three processes share the tests, since much of the time is waiting for servers to start, stop and come back. What
fails while the others load the machine is named and run again alone, once: a limit on a time is then judged fairly, a
fault of the code fails again. Measurements have the machine to themselves: the checks come before them, one test after
the other runs, and none is given a second chance.

Where the machine has memory to spare, the tests' files, the private servers' data among them, lie in memory: nothing of
them outlives the run, and a slow disk would take a third of its time. What a test proves about durability it proves by
the order of system calls and by killing processes, neither of which asks what the disk is.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))
LAST_FAILED = CHECKOUT / ".pytest_cache" / "v" / "cache" / "lastfailed"
WORKERS = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""How the tests are shared out says tests/conftest.py."""
TESTS_FAILED = 1
BENCH = re.compile(r"[a-z][a-z0-9-]*")
SHOWN_BENCHES = "--bench=shows"
LASTING = ("--storm", "--soak")
"""What fails in hours is not tried again: the first time tells all."""
FEW = 8
"""More failures than this are no matter of load."""
MEMORY = Path("/dev/shm")
ROOM_BYTES = 12 << 30
"""What a run may fill at a time, twice over."""


def main(arguments: list[str]) -> int:
    """Run everything from the checkout's root; the exit status."""
    os.chdir(CHECKOUT)
    LAST_FAILED.unlink(missing_ok=True)
    given = joined(arguments)
    measuring = any(argument.startswith("--bench=") for argument in given)
    alone = measuring or any(argument.startswith(LASTING) for argument in given)
    with files_in_memory(), tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        told = Path(folder) / "checks.txt"
        checked = beside.submit(check_all, told)
        command = [sys.executable, "-m", "pytest", f"--checks={told}", *given]
        if measuring:
            checked.result()
        status = to_its_end(command if alone else [*command, *WORKERS])
        again = failures() if status == TESTS_FAILED and not alone else []
        if 0 < len(again) <= FEW:
            say("failed beside other tests, run again alone:", *again)
            status = to_its_end([*command, "--last-failed", "-n", "0"])
        return status or bool(checked.result())


@contextmanager
def files_in_memory() -> Iterator[None]:
    """Put temporary files there as long as the block lasts, if there is room and nobody has said where they go."""
    if "TMPDIR" in os.environ or not has_room():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tests-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        os.environ["TMPDIR"] = folder
        yield


def has_room() -> bool:
    """Whether the folder in memory and the memory itself have room for a run."""
    if not os.access(MEMORY, os.W_OK):
        return False
    state = os.statvfs(MEMORY)
    described = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) << 10 for line in described if line.startswith("MemAvailable:"))
    return min(state.f_bavail * state.f_frsize, available) >= ROOM_BYTES


def joined(arguments: list[str]) -> list[str]:
    """The arguments with the value of ``--bench`` in the same word: a name if one follows that is no file, else those
    whose ratios the project shows."""
    given: list[str] = []
    for argument in arguments:
        if given and given[-1] == "--bench" and BENCH.fullmatch(argument) and not Path(argument).exists():
            given[-1] = f"--bench={argument}"
        else:
            given.append(argument)
    return [SHOWN_BENCHES if argument == "--bench" else argument for argument in given]


def to_its_end(command: list[str]) -> int:
    """Run pytest; its exit status. An interrupt, which it gets too, ends it with its summary of what has run so far."""
    with subprocess.Popen(command) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                continue


def failures() -> list[str]:
    """The tests that failed in the last run."""
    return sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []


def check_all(told: Path) -> list[str]:
    """Run the checks, show what they say, and write down for pytest's summary which failed; these."""
    failed = [" ".join(check) for check in CHECKS if not passes(check)]
    part = told.with_suffix(".part")
    part.write_text("; ".join(failed))
    part.rename(told)
    return failed


def passes(check: tuple[str, ...]) -> bool:
    """Run one check and show what it says."""
    done = subprocess.run([str(PROGRAMS / check[0]), *check[1:]], capture_output=True, text=True, check=False)
    say(f"== {' '.join(check)}", done.stdout + done.stderr)
    return done.returncode == 0


def say(*lines: str) -> None:
    """Print at once, before what the next program prints."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
