"""Search for longer, and keep what was found: ``python -m tests.faults.fuzz_corpus SECONDS [TARGET …]``.

One input for each new answer, and each fault, goes to tests/faults/corpus, where every run starts from and tries it.
"""

import hashlib
import re
import sys

from tests.faults.fuzz_targets import TARGETS
from tests.faults.fuzzing import CORPUS, Target, fuzz

MOST_BYTES = 4096
MOST_KEPT = 12
"""Answers of one target: those that name values would go on for ever."""


def keep(target: Target, name: str, data: bytes) -> None:
    """Write one input under what was answered to it."""
    folder = CORPUS / target.name
    folder.mkdir(parents=True, exist_ok=True)
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48]
    (folder / f"{words}-{hashlib.sha256(data).hexdigest()[:8]}.bin").write_bytes(data)


def main(seconds: float, names: list[str]) -> int:
    """Search all targets, or those named; 1 if there were faults."""
    status = 0
    for target in TARGETS:
        if names and target.name not in names:
            continue
        found = fuzz(target, hash(target.name) & 0xFFFF, seconds)
        small = {answer: data for answer, data in found.answers.items() if len(data) <= MOST_BYTES}
        for answer, data in [*found.faults.items(), *list(small.items())[:MOST_KEPT]]:
            keep(target, answer, data)
        sys.stdout.write(
            f"{target.name}: {found.inputs} inputs, {len(found.answers)} answers, {len(found.faults)} faults"
            f"{''.join(f'{chr(10)}  {fault}: {data.hex()[:200]}' for fault, data in found.faults.items())}\n"
        )
        status |= bool(found.faults)
    return status


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
