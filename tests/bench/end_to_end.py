"""From the first C-STORE of a sender until a DCMTK storescp has everything: the gateway, and Orthanc in two ways."""

import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from tests.bench.dcmtk import Sender, Storescp
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.orthanc import Orthanc
from tests.bench.processes import since, spent
from tests.bench.rounds import Round
from tests.bench.workloads import Workload
from tests.waiting import until

ASSOCIATIONS: Final = 4
OUTGOING: Final = 2
"""Associations of the gateway to the destination; Orthanc opens one for each of its two jobs at a time."""
_LIMIT_SECONDS: Final = 600.0


class Forwarding(Protocol):
    """A receiver that sends what it gets to a storescp of its own."""

    title: str
    sink: Storescp

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def groups(self) -> dict[str, list[int]]:
        """Its processes by name."""

    def forward(self) -> None:
        """Do what has to be done by hand once all is received."""

    def settled(self, count: int) -> None:
        """Wait until it has written down that so many more were sent."""


@dataclass
class ForwardingGateway:
    """The gateway with a rule that sends everything to the station."""

    gateway: GatewayUnderTest
    sink: Storescp
    title: str = "GATEWAY"
    _delivered: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.gateway.route_to(self.sink.port, OUTGOING)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.gateway.dicom_port

    @property
    def groups(self) -> dict[str, list[int]]:
        """Its processes by name."""
        return self.gateway.groups

    def forward(self) -> None:
        """It does so by itself."""

    def settled(self, count: int) -> None:
        """Wait until its ledger says so."""
        self._delivered += count
        self.gateway.wait_delivered(self._delivered)


@dataclass
class ForwardingOrthanc:
    """Orthanc with a script that sends each instance, or with ``batched`` one job for all that came."""

    orthanc: Orthanc
    sink: Storescp
    batched: bool
    title: str = "ORTHANC"
    _sent: set[str] = field(default_factory=set, init=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.orthanc.port

    @property
    def groups(self) -> dict[str, list[int]]:
        """Its processes by name."""
        return self.orthanc.groups

    def forward(self) -> None:
        """One job with what has not been sent."""
        if self.batched:
            new = set(self.orthanc.instances()) - self._sent
            self.orthanc.send_all(sorted(new))
            self._sent |= new

    def settled(self, count: int) -> None:
        """It keeps no ledger."""


def delivery(system: Forwarding, workload: Workload, folder: Path, associations: int = ASSOCIATIONS) -> Round:
    """Send new instances once; the seconds until the destination has all of them."""
    files = workload.write(folder)
    os.sync()
    before = spent(system.groups)
    began = time.perf_counter()
    received = Sender(associations=associations).send(files, system.port, system.title)
    system.forward()
    wait_arrived(system.sink, len(files))
    seconds = time.perf_counter() - began
    system.settled(len(files))
    processor = since(before, spent(system.groups))
    system.sink.finished(len(files))
    shutil.rmtree(files[0].parent)
    return Round(len(files), workload.megabytes, seconds, processor, {"received_seconds": received})


def wait_arrived(sink: Storescp, count: int) -> None:
    """Wait until the destination has so many files."""
    until(lambda: sink.count() >= count, limit=_LIMIT_SECONDS, what=f"{count} instances to arrive")
