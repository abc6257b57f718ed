"""A site of mixed work: three modalities, five destinations, one of them DCMTK's, commitments and queries; between the
gateway and everything it talks to may lie a line that is cut."""

import resource
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.faults.line import Line
from tests.faults.traffic import Beside
from tests.faults.workers import Modality, Reporter, Workstation
from tests.recorded import add_station
from tests.running_gateway import RunningGateway
from tests.stations import StationReceiver
from tests.stations.committer import SILENT, Committer
from tests.stations.storescp import Storescp

TARGETS: Mapping[str, Sequence[str]] = {
    "SCANNER1": ("ARCHIVE1", "ARCHIVE3"),
    "SCANNER2": ("ARCHIVE2", "ARCHIVE3"),
    "SCANNER3": ("ARCHIVE3", "ARCHIVE4", "ARCHIVE5"),
}
"""Where the rules send what each modality has sent."""
RULES_OF: Mapping[str, Sequence[str]] = {
    "SCANNER1": ("committed", "everything"),
    "SCANNER2": ("whole-studies", "everything"),
    "SCANNER3": ("to-two", "everything"),
}
RULES = """
version: 1
rules:
  - name: committed
    when: {all: [{fact: calling_aet, op: equals, value: SCANNER1}]}
    send: [{to: ARCHIVE1, commit: true}]
  - name: whole-studies
    when: {all: [{fact: calling_aet, op: equals, value: SCANNER2}]}
    level: study
    quiet: 3s
    send: [{to: ARCHIVE2}]
  - name: to-two
    when: {all: [{fact: calling_aet, op: equals, value: SCANNER3}]}
    send: [{to: ARCHIVE4}, {to: ARCHIVE5}]
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE3}]
"""
ARCHIVE, RECEIVERS, STORESCP = "ARCHIVE1", ("ARCHIVE2", "ARCHIVE3", "ARCHIVE4"), "ARCHIVE5"
FORWARDERS = ("forwarder", "forwarder-2")
DESCRIPTORS = 8192
SETTINGS = {
    # What a killed process had under way is known lost sooner,
    "GATEWAY_FORWARDER_LEASE_SECONDS": "15",
    "GATEWAY_COMMITMENT_LEASE_SECONDS": "15",
    # requests follow soon, and again as soon and as often as answers get lost,
    "GATEWAY_COMMITMENT_QUIET_SECONDS": "1",
    "GATEWAY_COMMITMENT_ANSWER_SECONDS": "10",
    "GATEWAY_COMMITMENT_MOST_UNANSWERED": "100",
    # what the sweeps find they find soon, and objects of no more use go as soon as no lease can use them.
    "GATEWAY_COMMITMENT_SWEEP_SECONDS": "1",
    "GATEWAY_STORAGE_SWEEP_SECONDS": "1",
    "GATEWAY_STORAGE_DELETION_WAIT_SECONDS": "20",
}


@dataclass
class Site:
    """All of it, started."""

    gateway: RunningGateway
    archive: Committer
    receivers: Mapping[str, StationReceiver]
    storescp: Storescp
    lines: Mapping[str, Line]
    """To what the gateway calls, by its name; none where nothing is to be cut."""
    modalities: Sequence[Modality]
    workstation: Workstation
    reporter: Reporter

    @property
    def parts(self) -> list[str]:
        """Names of the gateway's processes."""
        return [*(name for name in self.gateway.part_names if name not in FORWARDERS), *FORWARDERS]

    @contextmanager
    def at_work(self, instances: int, every: float) -> Iterator[None]:
        """While the block lasts each modality sends a study of so many instances ``every`` so many seconds, and the
        workstation asks. What the modalities have begun they end after it."""
        ended = threading.Event()
        works: list[Callable[[], None]] = [partial(each.work, ended, instances, every) for each in self.modalities]
        with ExitStack() as stack:
            for work in (*works, partial(self.workstation.work, ended)):
                stack.enter_context(Beside(work))
            stack.callback(ended.set)
            yield

    def times_received(self, destination: str) -> Counter[str] | None:
        """How often each SOP instance came there; None: it does not count."""
        if destination == ARCHIVE:
            return Counter({uid: len(digests) for uid, digests in self.archive.stored.items()})
        return Counter(self.receivers[destination].uids) if destination in self.receivers else None

    def held(self, destination: str) -> dict[str, set[str]]:
        """SHA-256 (hex) of what came there, by SOP Instance UID."""
        if destination == ARCHIVE:
            return {uid: set(digests) for uid, digests in self.archive.stored.items()}
        if destination == STORESCP:
            return {uid: {digest} for uid, digest in self.storescp.held().items()}
        receiver = self.receivers[destination]
        return {uid: receiver.digests(uid) for uid in set(receiver.uids)}


@contextmanager
def site(home: Path, seed: int, *, with_lines: bool = True) -> Iterator[Site]:
    """Started, its reporter at work until the block ends."""
    gateway = RunningGateway(home, ingest_processes=2, settings=dict(SETTINGS))
    with ExitStack() as stack:
        stack.callback(gateway.end)
        _allow_descriptors()
        archive = stack.enter_context(Committer(gateway.dicom_port, script=SILENT))
        receivers = {title: stack.enter_context(StationReceiver(title)) for title in RECEIVERS}
        storescp = stack.enter_context(Storescp(home / "storescp"))
        ends = {"broker": gateway.rabbitmq, "database": gateway.postgresql, ARCHIVE: archive, **receivers}
        lines = {
            name: stack.enter_context(Line(lambda end=end: end.port))  # type: ignore[misc]
            for name, end in ((ends | {STORESCP: storescp}).items() if with_lines else ())
        }
        modalities = [Modality(title, gateway.dicom_port, seed * 10 + at) for at, title in enumerate(TARGETS)]
        workstation = Workstation("SCANNER1", gateway.dicom_port, modalities, seed)
        reporter = Reporter(archive, seed)
        made = Site(gateway, archive, receivers, storescp, lines, modalities, workstation, reporter)
        _start(made)
        ended = threading.Event()
        stack.enter_context(Beside(partial(reporter.work, ended)))
        stack.callback(ended.set)
        yield made


def _allow_descriptors() -> None:
    """A line that is held up keeps two for each attempt to connect: hundreds, while a database is a black hole."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < DESCRIPTORS:
        wanted = DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _start(made: Site) -> None:
    gateway = made.gateway
    gateway.start_servers()
    if made.lines:
        gateway.settings = {
            **gateway.settings,
            "GATEWAY_DATABASE_URL": by_line(made.lines["database"], gateway.database_url),
            "GATEWAY_AMQP_URL": by_line(made.lines["broker"], gateway.amqp_url),
        }
    gateway.start_parts(made.parts)
    for modality in made.modalities:
        add_station(gateway.database_url, modality.title, 104)
    special: Mapping[str, Mapping[str, object]] = {ARCHIVE: {"commit_server": True}, STORESCP: {"associations": 1}}
    for title, destination in {ARCHIVE: made.archive, **made.receivers, STORESCP: made.storescp}.items():
        port = made.lines.get(title, destination).port
        add_station(gateway.database_url, title, port, retry_most_seconds=2, **special.get(title, {}))
    gateway.apply_rules(RULES)


def by_line(line: Line, url: str) -> str:
    """The same, over the line."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{line.port}")))
