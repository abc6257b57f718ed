"""Both ingest processes are replaced one after the other under load: no sender notices, and nothing is lost.

`gateway up` runs whole. DCMTK sends all the time; connections come sixteen at a time and wait their turn; and
associations that are open before a replacement go on after it, in the process that drains.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from tests.factories import Instance, small_instances
from tests.faults.ledger import Ledger
from tests.forked import REPOSITORY
from tests.running_gateway import EVERYTHING_TO_ARCHIVE1, FreshServers, RunningGateway
from tests.stations import RawSender, StationReceiver
from tests.waiting import until

SAMPLE = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"
ROUNDS, DCMTK_SENDERS, INSTANCES, BURST, OPEN = 2, 3, 10, 16, 8
SECONDS = 120
PAUSE_SECONDS = 0.1


@dataclass
class Senders:
    """Those that send until they are told to stop, and what they saw go wrong."""

    port: int
    faults: list[str] = field(default_factory=list)
    sent_by_dcmtk: int = 0
    answered: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """DCMTK's loops and the bursts, ended afterwards."""
        work: list[Callable[[], None]] = [*[self.send_by_dcmtk] * DCMTK_SENDERS, self.connect_in_bursts]
        threads = [threading.Thread(target=self.again_and_again, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(SECONDS)

    def again_and_again(self, work: Callable[[], None]) -> None:
        """Until told to stop, or until something goes wrong."""
        try:
            while not self._stop.wait(PAUSE_SECONDS):
                work()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the test tells it
            self.faults.append(repr(fault))

    def send_by_dcmtk(self) -> None:
        """One association with instances of new UIDs; DCMTK is silent unless something is wrong."""
        to = ["-aet", "SCANNER1", "-aec", "GATEWAY", "127.0.0.1", str(self.port)]
        command = ["storescu", "-R", "--invent-instance", "--repeat", str(INSTANCES), *to, str(SAMPLE)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode or done.stdout or done.stderr:
            raise AssertionError(f"storescu ended with {done.returncode}: {done.stdout}{done.stderr}")
        with self._counting:
            self.sent_by_dcmtk += INSTANCES

    def connect_in_bursts(self) -> None:
        """More connections at once than there are processes, each with a C-ECHO: all but a few wait to be accepted."""
        with ThreadPoolExecutor(BURST) as pool:
            statuses = [pool.submit(self.echo) for _ in range(BURST)]
            if wrong := [each for status in statuses if (each := status.result()) != 0]:
                raise AssertionError(f"C-ECHO was answered {wrong}")
        self.answered += BURST

    def echo(self) -> int:
        """The status of one C-ECHO, on a connection of its own."""
        with RawSender(self.port) as sender:
            return sender.echo()


@dataclass
class Up:
    """A running `gateway up`."""

    process: "subprocess.Popen[bytes]"
    home: Path
    log: Path

    def receiving(self) -> set[int]:
        """The processes that receive and have said where they are."""
        return {int(card.stem.rpartition("-")[2]) for card in (self.home / "run").glob("ingest-query-*.json")}

    def told(self, event: str) -> list[dict[str, Any]]:
        """What its processes have logged of one kind."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def replaced(self, before: set[int]) -> bool:
        """Whether two others receive and those before have ended."""
        present = self.receiving()
        return len(present) == 2 and not present & before


@contextmanager
def gateway_up(gateway: RunningGateway) -> Iterator[Up]:
    """`gateway up` on the servers of a gateway whose own processes do not run."""
    port, log = gateway.dicom_port, gateway.home / "up.log"
    gateway.start_servers()
    gateway.listener.close()
    place = {"GATEWAY_DICOM_HOST": "127.0.0.1", "GATEWAY_DICOM_PORT": str(port), "GATEWAY_DRAIN_SECONDS": str(SECONDS)}
    command = [sys.executable, "-m", "services.cli", "up"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=gateway.environment() | place, stdout=output, stderr=output
        )
    try:
        until(lambda: b"\nready AET=" in b"\n" + log.read_bytes(), limit=SECONDS, what="the gateway to be ready")
        yield Up(process, gateway.home, log)
        process.terminate()
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait(10)
        gateway.end()


def replace_both(up: Up, port: int, instances: list[Instance], ledger: Ledger) -> None:
    """One replacement of both, across which associations stay open that store before, and after, in what drains."""
    before, counted = up.receiving(), len(up.told("process_replaced"))
    first, second = instances[:OPEN], instances[OPEN:]
    contexts = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in instances})
    with ExitStack() as open_ones:
        senders = [open_ones.enter_context(RawSender(port, contexts=contexts)) for _ in range(OPEN)]
        for sender, one in zip(senders, first, strict=True):
            store(sender, one, ledger)
        os.kill(up.process.pid, signal.SIGHUP)
        until(lambda: len(up.told("process_replaced")) == counted + 2, limit=SECONDS, what="two successors")
        for sender, one in zip(senders, second, strict=True):
            store(sender, one, ledger)
    until(partial(up.replaced, before), limit=SECONDS, what="the end of those replaced")


def store(sender: RawSender, one: Instance, ledger: Ledger) -> None:
    """C-STORE that has to succeed."""
    ledger.attempted[one.sop_instance_uid] = hashlib.sha256(one.data_set).hexdigest()
    assert sender.store(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.data_set) == 0
    ledger.acknowledged.add(one.sop_instance_uid)


@pytest.mark.timeout(600)
def test_no_sender_notices_and_nothing_is_lost(tmp_path: Path, fresh_servers: FreshServers) -> None:
    ledger = Ledger()
    with StationReceiver("ARCHIVE1") as archive, fresh_servers() as shared:
        gateway = RunningGateway(tmp_path, shared=shared)
        port = gateway.dicom_port
        with gateway_up(gateway) as up:
            gateway.add_station("SCANNER1")
            gateway.add_station("ARCHIVE1", archive.port, "--store")
            gateway.apply_rules(EVERYTHING_TO_ARCHIVE1)
            senders = Senders(port)
            with senders.at_work():
                for number in range(ROUNDS):
                    replace_both(up, port, small_instances(2 * OPEN, seed=number + 1), ledger)
            assert senders.faults == []
            assert senders.sent_by_dcmtk >= ROUNDS * DCMTK_SENDERS * INSTANCES
            assert senders.answered >= ROUNDS * BURST
            total = senders.sent_by_dcmtk + len(ledger.acknowledged)
            until(partial(delivered, gateway, total), limit=SECONDS, what=f"{total} instances to be delivered")
            ledger.check(gateway, archive, limit=SECONDS)
            assert gateway.rows("select count(*) as n from storage.identity") == [{"n": total}]
            assert len(set(archive.uids)) == total
        ended = up.told("association_ended")
        assert {each["outcome"] for each in ended if each["calling"] == "SCANNER1"} == {"released"}
        assert len(up.told("process_replaced")) == 2 * ROUNDS


def delivered(gateway: RunningGateway, total: int) -> bool:
    """Whether the archive has taken so many."""
    found = gateway.rows("select count(*) as n from routing.delivery where state = 'DELIVERED'")
    return bool(found[0]["n"] == total)
