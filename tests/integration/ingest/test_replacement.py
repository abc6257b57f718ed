"""Twenty graceful replacements of ingest processes under connecting senders: no reset, nothing refused."""

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.factories import ct
from tests.forked import REPOSITORY
from tests.ingest_process import IngestProcess, snapshot
from tests.stations import RawSender
from tests.waiting import until

SENDERS, REPLACEMENTS = 16, 20
PAUSE_SECONDS = 0.1  # senders that never pause would leave the processes that start no processor
UP = """
import sys
from services.cli.names import entry_point
from services.runtime import app
from services.runtime.processes import Plan, up
app.resolve(entry_point("ingest"))
sys.exit(up([Plan(("ingest",), 2, listens=True)], lambda names: app.run([entry_point(name) for name in names])))
"""


@pytest.mark.timeout(400)
def test_no_sender_notices(tmp_path: Path) -> None:
    ingest = IngestProcess(tmp_path)
    ingest.listener.close()
    ingest.configure(snapshot())
    environment = (
        os.environ | ingest.environment() | {"GATEWAY_DICOM_PORT": str(ingest.port), "GATEWAY_DICOM_HOST": "127.0.0.1"}
    )
    del environment["GATEWAY_DICOM_FD"]
    with (tmp_path / "up.log").open("wb") as log:
        up = subprocess.Popen([sys.executable, "-c", UP], cwd=REPOSITORY, env=environment, stderr=log, stdout=log)
    stop, faults, stored = threading.Event(), list[str](), list[int]()
    senders = [threading.Thread(target=send, args=(ingest.port, n, stop, faults, stored)) for n in range(SENDERS)]
    try:
        until(lambda: len(pids(tmp_path)) == 2 and ingest.ready()[0] == 200, limit=60, what="two ingest processes")
        for thread in senders:
            thread.start()
        for _ in range(REPLACEMENTS // 2):
            before = pids(tmp_path)
            up.send_signal(signal.SIGHUP)
            until(partial(replaced, tmp_path, before), limit=120, what="both processes to be replaced")
        stop.set()
        for thread in senders:
            thread.join(30)
        assert faults == []
        assert sum(stored) > 10 * SENDERS
        assert len(ingest.stored()) == sum(stored)
    finally:
        stop.set()
        up.terminate()
        up.wait(60)


def pids(home: Path) -> set[int]:
    """The ingest processes that have announced themselves."""
    return {int(card.stem.rpartition("-")[2]) for card in (home / "run").glob("ingest-*.json")}


def replaced(home: Path, before: set[int]) -> bool:
    """Two others run and none of those before."""
    present = pids(home)
    return len(present) == 2 and not present & before


def send(port: int, number: int, stop: threading.Event, faults: list[str], stored: list[int]) -> None:
    """Associations one after the other, one instance each."""
    count = 0
    try:
        while not stop.wait(PAUSE_SECONDS):
            one = ct(number * 100_000 + count, pixel_bytes=512)
            with RawSender(port, contexts=[(one.sop_class_uid, one.transfer_syntax_uid)]) as sender:
                status = sender.store(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.data_set)
            if status:
                faults.append(f"status {status:04X}")
                return
            count += 1
    except OSError as error:
        faults.append(f"sender {number} after {count}: {error!r}")
    finally:
        stored.append(count)
