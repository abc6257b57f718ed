"""Senders that measure each C-STORE, a process an association (see ``raw_send``)."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.bench.raw_send import LARGEST_PDU
from tests.bench.workloads import shares

CHECKOUT = Path(__file__).resolve().parents[2]
_LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Sent:
    """Seconds from the first to the last C-STORE, and milliseconds of each."""

    seconds: float
    milliseconds: list[float]


def send(
    files: Sequence[Path],
    port: int,
    called: str,
    *,
    associations: int = 1,
    largest_pdu: int = LARGEST_PDU,
    rate: float = 0,
) -> Sent:
    """Send all files, ``rate`` a second over all associations (0: as fast as answers come). Fails the test unless every
    one is answered 0000."""
    running = [_started(share, port, called, largest_pdu, associations, rate) for share in shares(files, associations)]
    for process in running:
        assert _from(process).readline() == "ready\n"
    told = [process.communicate(timeout=_LIMIT_SECONDS)[0] for process in _begun(running)]
    found = [json.loads(each) for each in told]
    assert [each["failed"] for each in found] == [0] * associations
    seconds = max(each["ended"] for each in found) - min(each["began"] for each in found)
    return Sent(seconds, [value for each in found for value in each["milliseconds"]])


def _begun(running: Sequence["subprocess.Popen[str]"]) -> Sequence["subprocess.Popen[str]"]:
    """All begin at once; each is then waited for."""
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return running


def _started(
    files: Sequence[Path], port: int, called: str, largest_pdu: int, associations: int, rate: float
) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.raw_send"],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = {
        "files": [str(file) for file in files],
        "port": port,
        "calling": "SCANNER1",
        "called": called,
        "largest_pdu": largest_pdu,
        "seconds_apart": associations / rate if rate else 0,
    }
    assert process.stdin is not None
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.flush()
    return process


def _from(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout is not None
    return process.stdout
