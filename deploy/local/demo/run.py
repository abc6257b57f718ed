"""The demo: two stations, a scanner that sends sample studies through a running gateway, and what became of them.

Run by deploy/local/up --demo with GATEWAY_HOME naming the gateway. Exit status 0 only if every instance was delivered
where the demo's rules say, every byte arrived as it was sent, and the archive committed to all it was sent. ``--keep``
leaves the stations running afterwards.
"""

import argparse
import asyncio
import signal
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from committing import CommittingStation
from configuration import COMMITTING, configure
from progress import StudyProgress, refresh, studies
from samples import ARCHIVE, WORKSTATION, Sample, samples
from sending import gateway, send, wait_until_known
from stations import DemoStation
from table import Progress

from services.dicom.requestor import Peer
from services.runtime import logs
from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.settings import RuntimeSettings

LIMIT_SECONDS = 120.0
LOOK_SECONDS = 0.25


class Demo:
    """One run."""

    def __init__(self, settings: RuntimeSettings, stations: dict[str, DemoStation]) -> None:
        self.settings = settings
        self.stations = stations
        self.studies = studies(samples(time.time_ns()))
        self.progress = Progress(self.studies)

    async def run(self) -> bool:
        """Configure, send, watch; True if all went as expected. Raises ``GatewayError``."""
        database = Database(self.settings.database_of(["admin"]), application="gateway-demo", pool=2)
        await database.open()
        try:
            await configure(database, {title: station.port for title, station in self.stations.items()})
            peer = gateway(self.settings)
            await asyncio.to_thread(wait_until_known, peer)
            with self.progress.showing():
                loop = asyncio.get_running_loop()
                sending = loop.run_in_executor(None, send, peer, self._samples(), self._sent)
                finished = await self._watch(database, sending)
                await sending
            return finished
        finally:
            await database.close()

    async def _watch(self, database: Database, sending: "asyncio.Future[None]") -> bool:
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            for study in self.studies:
                await refresh(database, study, self.stations)
            self.progress.changed()
            if all(study.finished for study in self.studies) or any(study.faults for study in self.studies):
                break
            if sending.done() and sending.exception() is not None:
                break
            await asyncio.sleep(LOOK_SECONDS)
        return all(study.finished for study in self.studies)

    def _samples(self) -> list[Sample]:
        return [sample for study in self.studies for sample in study.samples]

    def _sent(self, sample: Sample, seconds: float) -> None:
        study = next(study for study in self.studies if study.uid == sample.study_instance_uid)
        study.sent_at = study.sent_at or datetime.now(UTC)
        study.sent += 1


def complaints(found: list[StudyProgress]) -> list[str]:
    """What did not go as expected, for people (pure)."""
    said = [fault for study in found for fault in study.faults]
    for study in found:
        if not study.finished and not study.faults:
            said.append(
                f"{study.name} (study {study.uid}) was not delivered and committed everywhere within "
                f"{LIMIT_SECONDS:.0f} s; 'gateway where {study.uid}' tells how far it is"
            )
    return said


def main() -> int:
    """Run the demo; its exit status."""
    parser = argparse.ArgumentParser(prog="deploy/local/demo/run.py", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the stations running until SIGINT or SIGTERM")
    options = parser.parse_args()
    logs.configure("demo", "critical")
    stop = {signal.SIGINT, signal.SIGTERM}
    if options.keep:
        signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before any thread starts, so that all inherit it
    try:
        status = demonstrate(keep_until=stop if options.keep else set())
    except GatewayError as error:
        say(f"demo: {error}")
        return 1
    return status


def demonstrate(keep_until: set[signal.Signals]) -> int:
    """Start the stations, run once and report. Raises ``GatewayError``."""
    settings = RuntimeSettings.load()
    folder = settings.home / "demo"
    with ExitStack() as stack:
        stations = {
            title: stack.enter_context(_station(title, folder / title, gateway(settings)))
            for title in (ARCHIVE, WORKSTATION)
        }
        for station in stations.values():
            say(f"demo station {station.title} listens on 127.0.0.1:{station.port}, files go to {station.folder}")
        demo = Demo(settings, stations)
        finished = asyncio.run(demo.run())
        for complaint in complaints(demo.studies):
            say(f"demo: {complaint}")
        count = sum(len(study.samples) for study in demo.studies)
        say(
            f"demo: {count} instances sent; "
            + ("all arrived and were committed as expected" if finished else "NOT as expected")
        )
        if keep_until:
            say("demo: the stations go on until this ends")
            signal.sigwait(keep_until)
    return 0 if finished else 1


def _station(title: str, folder: Path, peer: Peer) -> DemoStation:
    return CommittingStation(title, folder, peer) if title in COMMITTING else DemoStation(title, folder)


def say(text: str) -> None:
    """Tell the person."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
