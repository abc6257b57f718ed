"""P11: hours of traffic at half of what the gateway can do leave it as large as it was after its first minutes.

``tests/run --soak=2h`` makes it last; a usual run has a minute with less traffic, which shows gross leaks.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.bench.figures import PROPERTY, Figure, text
from tests.faults import footprint
from tests.faults.account import settle
from tests.faults.site import TARGETS, Site, site
from tests.faults.traffic import Beside
from tests.faults.trend import Sample, bends, grown, settled

SHORT_SECONDS = 45.0
LONG_SECONDS = 600.0
"""From here on the limits are those of hours."""
CALIBRATION_SECONDS = (6.0, 60.0)
SHARE_OF_CAPACITY = 0.5
MOST_OF_A_SHORT_RUN = 12.0
"""Instances a second: other tests run beside it."""
INSTANCES_OF_A_STUDY = 6
SAMPLES = (30, 120)
FORGET_SECONDS = 5.0
KEPT_STUDIES = 20
SETTLED_SECONDS = 120.0
WARM_UP = 1 / 3
MEGABYTE = 1 << 20
WORST = 3
LEAST_BYTES = MEGABYTE
LEDGERS = frozenset(
    {
        *("storage.identity", "storage.receipt", "storage.fact"),
        *("index.patient", "index.study", "index.series", "index.instance"),
        *("routing.job", "routing.delivery", "routing.attempt", "routing.evaluation", "routing.opening"),
        *("commitment.commitment", "commitment.item", "commitment.attempt", "commitment.report", "commitment.archived"),
        *("runtime.outbox",),
    }
)
"""Tables that keep what came: they grow with it, in a straight line. All others are to stay as they are."""
DELIVERED = "select count(*) as n from routing.delivery where state = 'DELIVERED'"
OTHERWISE = "select count(*) as n from routing.delivery where state <> 'DELIVERED'"


@dataclass(frozen=True)
class Limits:
    """What may be added from the end of the warm-up on. A memory's and a table's ``share`` is of what it was;
    ``waiting`` is for each instance a second; ``bend`` needs more than a minute."""

    share: float
    kilobytes: float
    descriptors: float
    threads: float
    waiting: float
    table_megabytes: float
    bend: float | None


LONG = Limits(share=0.05, kilobytes=4_096, descriptors=4, threads=4, waiting=2, table_megabytes=1, bend=1.25)
SHORT = Limits(share=0.5, kilobytes=24_576, descriptors=24, threads=16, waiting=10, table_megabytes=2, bend=None)


class Measured:
    """Samples of every value by its name, from the start of the traffic on."""

    def __init__(self, here: Site) -> None:
        self._here, self._began = here, time.monotonic()
        self.holdings: dict[str, list[Sample]] = defaultdict(list)
        self.tables: dict[str, list[Sample]] = defaultdict(list)

    def take(self) -> None:
        """One sample of each."""
        gateway, now = self._here.gateway, time.monotonic() - self._began
        for name, value in (footprint.processes(gateway) | footprint.waiting(gateway)).items():
            self.holdings[name].append((now, value))
        for name, value in footprint.tables(gateway).items():
            self.tables[name].append((now, value))


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_nothing_grows_but_the_ledgers(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Memory, descriptors, threads, queues and tables of work: flat. Ledgers: as long as what they tell of."""
    asked: float | None = request.config.getoption("--soak")
    seconds = asked or SHORT_SECONDS
    long = seconds >= LONG_SECONDS
    with site(tmp_path, seed=7, with_lines=False) as here:
        capacity = calibrated(here, CALIBRATION_SECONDS[long])
        settle(here, SETTLED_SECONDS)
        rate = capacity * SHARE_OF_CAPACITY if asked else min(capacity * SHARE_OF_CAPACITY, MOST_OF_A_SHORT_RUN)
        measured = Measured(here)
        before = acknowledged(here)
        with here.at_work(INSTANCES_OF_A_STUDY, every=INSTANCES_OF_A_STUDY * len(here.modalities) / rate):
            soak(here, measured, seconds, SAMPLES[long])
        came = (acknowledged(here) - before) / seconds
        settle(here, SETTLED_SECONDS)
        all_delivered(here)
    figures = [
        Figure("capacity", capacity, "instances/s"),
        Figure("traffic", came, "instances/s"),
        Figure("duration", seconds, "s"),
        *judged(measured, LONG if long else SHORT, rate),
    ]
    request.node.user_properties.append((PROPERTY, text("soak", figures)))
    assert [figure for figure in figures if not figure.kept] == []
    assert came > 0.8 * rate, "it did not keep up with half of its capacity"


def calibrated(here: Site, seconds: float) -> float:
    """Instances a second that are delivered everywhere while modalities send as fast as they can; the first third of
    the time does not count."""
    wait = threading.Event().wait
    with here.at_work(INSTANCES_OF_A_STUDY, every=0.0):
        wait(seconds / 3)
        began, first = time.monotonic(), here.gateway.rows(DELIVERED)[0]["n"]
        wait(seconds * 2 / 3)
        delivered, took = here.gateway.rows(DELIVERED)[0]["n"] - first, time.monotonic() - began
    copies: float = sum(map(len, TARGETS.values())) / len(TARGETS)
    return float(delivered) / took / copies


def soak(here: Site, measured: Measured, seconds: float, samples: int) -> None:
    """Take so many samples over so many seconds."""
    ended = threading.Event()
    with Beside(lambda: forget(here, ended)):
        began = time.monotonic()
        try:
            for number in range(samples + 1):
                ended.wait(max(0.0, began + number * seconds / samples - time.monotonic()))
                measured.take()
        finally:
            ended.set()


def forget(here: Site, ended: threading.Event) -> None:
    """Senders and destinations keep what they sent and got for the tests' sake; not for hours."""
    while not ended.wait(FORGET_SECONDS):
        for receiver in here.receivers.values():
            receiver.forget()
            receiver.associations.clear()
        here.storescp.forget()
        here.archive.stored.clear()
        for modality in here.modalities:
            del modality.studies[:-KEPT_STUDIES]


def acknowledged(here: Site) -> int:
    """Instances that were answered 0000."""
    return sum(len(modality.ledger.acknowledged) for modality in here.modalities)


def all_delivered(here: Site) -> None:
    """Each to each of its destinations."""
    wanted = sum(len(TARGETS[modality.title]) * len(modality.ledger.acknowledged) for modality in here.modalities)
    assert here.gateway.rows(DELIVERED)[0]["n"] == wanted
    assert here.gateway.rows(OTHERWISE)[0]["n"] == 0


def judged(measured: Measured, limits: Limits, rate: float) -> Iterator[Figure]:
    """What each grew by after the warm-up, with its limit."""
    after = {name: settled(samples, WARM_UP) for name, samples in measured.holdings.items()}
    for name in sorted(name for name in after if name.startswith("memory ")):
        usual = median(value for _, value in after[name])
        yield Figure(f"{name}: usual", usual, "kB")
        yield Figure(f"{name}: grown", grown(after[name]), "kB", limits.kilobytes + limits.share * usual)
    waiting = limits.waiting * rate
    for kind, limit in {"descriptors": limits.descriptors, "threads": limits.threads, "queue": waiting}.items():
        yield from _together(kind, after, limit)
    for name in sorted(name for name in after if name.startswith(("unfinished ", "unpublished "))):
        yield from _both(name, after[name], waiting)
    yield from _tables(measured.tables, limits)


def _together(kind: str, after: Mapping[str, Sequence[Sample]], limit: float) -> Iterator[Figure]:
    """All of a kind; where they grew too much, which ones."""
    each = {name: samples for name, samples in after.items() if name.startswith(f"{kind} ")}
    yield from _both(f"{kind}: all", _sum(each.values()), limit)
    if grown(_sum(each.values())) > limit:
        for name in sorted(each, key=lambda name: -grown(each[name]))[:WORST]:
            yield from _both(name, each[name], limit)


def _both(name: str, samples: Sequence[Sample], limit: float) -> Iterator[Figure]:
    yield Figure(f"{name}: usual", median(value for _, value in samples), "")
    yield Figure(f"{name}: grown", grown(samples), "", limit)


def _tables(tables: Mapping[str, Sequence[Sample]], limits: Limits) -> Iterator[Figure]:
    """A ledger may grow in a straight line, every other table not."""
    after = {name: settled(samples, WARM_UP) for name, samples in tables.items()}
    work = {name: samples for name, samples in after.items() if name not in LEDGERS}
    total = _sum(work.values())
    usual = median(value for _, value in total) / MEGABYTE
    yield Figure("tables of work: usual", usual, "MB")
    yield Figure("tables of work: grown", grown(total) / MEGABYTE, "MB", limits.table_megabytes + limits.share * usual)
    for name in sorted(work, key=lambda name: -grown(work[name]))[:WORST]:
        yield Figure(f"{name}: grown", grown(work[name]) / MEGABYTE, "MB")
    for name in sorted(LEDGERS) if limits.bend is not None else ():
        told = grown(after[name]) >= LEAST_BYTES  # less is a matter of single pages
        yield Figure(f"{name}: bends", bends(after[name]), "times", limits.bend if told else None)


def _sum(many: Iterable[Sequence[Sample]]) -> list[Sample]:
    """Of samples that were taken together."""
    return [(together[0][0], sum(value for _, value in together)) for together in zip(*many, strict=True)]
