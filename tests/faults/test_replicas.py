"""P5, P7 with three forwarders and 20 stations: whatever is killed or away, each study completes once for each rule,
and each delivery is made once."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from tests.factories import Instance, ct, named
from tests.faults.ledger import RECORDED, Ledger
from tests.faults.traffic import Beside, Traffic
from tests.recorded import add_station
from tests.running_gateway import RunningGateway
from tests.stations import (
    AbortAfterData,
    Accept,
    Answer,
    Behaviour,
    Cut,
    Freeze,
    Refuse,
    RejectAssociations,
    Slow,
    StationReceiver,
)
from tests.waiting import until

STATIONS, STUDIES, INSTANCES = 20, 200, 25
OPEN_AT_A_TIME = 40
"""Studies that are being sent at a time: the instances of each come less than a second apart."""
QUIET_SECONDS = 5
PIXEL_BYTES = 9 << 10
"""10 kB with what stands before the pixels."""
FORWARDERS = ("forwarder", "forwarder-2", "forwarder-3")
PARTS = ("ingest-1", "storage", *FORWARDERS)
"""Those that the way of an instance needs."""
SERVERS = ("broker", "database")
"""Which of them is killed the seed says."""
PLANNED_SECONDS = 30.0
SETTINGS = {
    "GATEWAY_FORWARDER_LEASE_SECONDS": "10",  # what a killed forwarder had under way is known lost sooner
    "GATEWAY_STORAGE_SWEEP_SECONDS": "1",  # and the watermark follows sooner
}
JOBS = """
select rule, study_instance_uid as study, count(*) as jobs, count(released_at) as released,
       bool_and(state = 'COMPLETED') as completed
from routing.job where study_instance_uid = any(%s) group by 1, 2
"""
LATE = """
select study, count(*) filter (where pause >= make_interval(secs => %s)) as pauses
from (select study_instance_uid as study,
             received_at - lag(received_at) over (partition by study_instance_uid order by received_at) as pause
      from storage.receipt where study_instance_uid = any(%s)) as r
group by 1
"""
DELIVERIES = """
select d.sop_instance_uid as uid, d.destination, d.state,
       (select array_agg(a.outcome order by a.id) from routing.attempt a where a.delivery = d.id) as outcomes
from routing.delivery d where d.study_instance_uid = any(%s)
"""
UNFINISHED = "select count(*) as n from routing.job where finished_at is null"


def title(number: int) -> str:
    """The station of a rule."""
    return f"STATION{number % STATIONS}"


def rules() -> str:
    """Each rule takes the studies of two wards, so that each study is of two rules, to a station of its own."""
    return "version: 1\nrules:\n" + "".join(
        f"  - name: to-{title(number)}\n"
        f"    when: {{all: [{{tag: InstitutionName, op: in, value: [{ward(number)}, {ward(number + 1)}]}}]}}\n"
        f"    level: study\n"
        f"    quiet: {QUIET_SECONDS}s\n"
        f"    send: [{{to: {title(number)}}}]\n"
        for number in range(STATIONS)
    )


def ward(number: int) -> str:
    """Where a study comes from."""
    return f"WARD{number % STATIONS}"


def study(seed: int, number: int) -> list[Instance]:
    """The instances of one study, all of one length."""
    first = ct(seed * 100_003 + number, pixel_bytes=PIXEL_BYTES, InstitutionName=ward(number))
    return [named(first, f"{first.sop_instance_uid[:-2]}{place:02}") for place in range(INSTANCES)]


def interleaved(studies: Sequence[Sequence[Instance]], chance: random.Random) -> list[Instance]:
    """The instances of all studies, those of about 40 studies mixed at any time."""
    due = [
        (number + OPEN_AT_A_TIME * (place + chance.random()) / INSTANCES, instance)
        for number, instances in enumerate(studies)
        for place, instance in enumerate(instances)
    ]
    return [instance for _, instance in sorted(due, key=lambda each: each[0])]


def kill_in_turn(gateway: RunningGateway, server: str, chance: random.Random) -> None:
    """Each forwarder twice, a server once: kill -9 at a random instant, in a random order; start again."""
    pause = threading.Event()
    victims = [*FORWARDERS * 2, server]
    for name in chance.sample(victims, len(victims)):
        pause.wait(chance.uniform(0.5, 2 * PLANNED_SECONDS / len(victims) - 1.0))
        if name in FORWARDERS:
            gateway.kill(name)
            pause.wait(chance.uniform(0.0, 1.0))
            gateway.launch(name)
        else:
            killed = gateway.rabbitmq if name == "broker" else gateway.postgresql
            killed.kill()
            pause.wait(chance.uniform(0.0, 1.0))
            killed.start()


def upset(stations: Sequence[StationReceiver], chance: random.Random) -> None:
    """Each station refuses, is away, cuts or dawdles once for some seconds."""
    changes: list[tuple[float, StationReceiver, Behaviour]] = []
    for station in stations:
        begin = chance.uniform(0.0, PLANNED_SECONDS - 4.0)
        changes += [(begin, station, fault(chance)), (begin + chance.uniform(1.0, 4.0), station, Accept())]
    pause, now = threading.Event(), 0.0
    for at, station, behaviour in sorted(changes, key=lambda each: each[0]):
        pause.wait(at - now)
        now = at
        station.behave(behaviour)


def fault(chance: random.Random) -> Behaviour:
    """One of the ways in which a station fails for a while."""
    return chance.choice(
        (
            Refuse(),
            RejectAssociations(2, 3, 1),
            Answer(0xA700),
            Cut(after=chance.randrange(8)),
            AbortAfterData(),
            Freeze(),
            Slow(0.3),
        )
    )


@pytest.fixture(scope="module")
def stations() -> Iterator[list[StationReceiver]]:
    """The destinations."""
    with ExitStack() as stack:
        yield [stack.enter_context(StationReceiver(title(number))) for number in range(STATIONS)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, stations: list[StationReceiver]) -> Iterator[RunningGateway]:
    """A gateway of three forwarders that knows the stations and the rules."""
    gateway = RunningGateway(tmp_path_factory.mktemp("replicas"), settings=SETTINGS)
    try:
        gateway.start_servers()
        gateway.start_parts(PARTS)
        add_station(gateway.database_url, "SCANNER1", 104)
        for station in stations:
            add_station(gateway.database_url, station.title, station.port, retry_most_seconds=2)
        gateway.apply_rules(rules())
        yield gateway
    finally:
        gateway.end()


@pytest.mark.timeout(400)
def test_each_study_completes_once_and_each_delivery_is_made_once(
    gateway: RunningGateway, stations: list[StationReceiver], seed: int
) -> None:
    """5,000 instances of 200 interleaved studies, each to 2 of 20 stations; kills, cuts and outages meanwhile."""
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails: replays the run
    studies = [study(seed, number) for number in range(STUDIES)]
    ledger = Ledger()
    for station in stations:
        station.forget()
    with (
        Beside(lambda: kill_in_turn(gateway, SERVERS[seed % 2], random.Random(seed))) as kills,
        Beside(lambda: upset(stations, random.Random(seed))) as outages,
    ):
        Traffic(gateway.dicom_port, ledger, limit=200).send(interleaved(studies, random.Random(seed)))
        kills.join(120)
        outages.join(120)
    all_is_well(gateway, ledger, studies, stations)


def all_is_well(
    gateway: RunningGateway,
    ledger: Ledger,
    studies: Sequence[Sequence[Instance]],
    stations: Sequence[StationReceiver],
) -> None:
    """Wait until nothing is under way, and compare what was sent, recorded, routed, told and received."""
    sent = {each.sop_instance_uid: each for instances in studies for each in instances}
    assert ledger.acknowledged == sent.keys()
    ledger.checked = True
    until(lambda: sum(len(each.uids) for each in stations) >= 2 * len(sent), limit=120, what="all to be received")
    until(lambda: gateway.rows(UNFINISHED)[0]["n"] == 0, limit=60, what="every job to end")
    assert ledger.counts(gateway, RECORDED) == dict.fromkeys(sent, 1)
    each_study_completed_once(gateway, studies)
    deliveries = gateway.rows(DELIVERIES, [instances[0].study_instance_uid for instances in studies])
    wanted = Counter(
        (each.sop_instance_uid, to) for number in range(STUDIES) for each in studies[number] for to in targets(number)
    )
    assert Counter((row["uid"], row["destination"]) for row in deliveries) == wanted
    assert {row["state"] for row in deliveries} == {"DELIVERED"}
    nothing_was_sent_again_by_mistake(deliveries, sent, stations)


def targets(number: int) -> tuple[str, str]:
    """The stations of a study: those of the rules that take its ward."""
    return title(number), title(number - 1)


def each_study_completed_once(gateway: RunningGateway, studies: Sequence[Sequence[Instance]]) -> None:
    """One job for each rule and study; another one only if the study paused for the quiet time."""
    uids = [instances[0].study_instance_uid for instances in studies]
    late = {row["study"]: row["pauses"] for row in gateway.rows(LATE, QUIET_SECONDS, uids)}
    jobs = gateway.rows(JOBS, uids)
    assert {(row["rule"], row["study"]) for row in jobs} == {
        (f"to-{to}", uid) for number, uid in enumerate(uids) for to in targets(number)
    }
    assert [row for row in jobs if row["jobs"] > 1 + late[row["study"]]] == []
    assert all(row["completed"] and row["released"] == row["jobs"] for row in jobs)


def nothing_was_sent_again_by_mistake(
    deliveries: Sequence[dict[str, Any]], sent: Mapping[str, Instance], stations: Sequence[StationReceiver]
) -> None:
    """Each station holds what it was to get, bit for bit, and the ledger explains how often it came."""
    times = {(station.title, uid): count for station in stations for uid, count in Counter(station.uids).items()}
    received = [(row, times.pop((row["destination"], row["uid"]), 0)) for row in deliveries]
    assert [(row, count) for row, count in received if not explained(row["outcomes"], count)] == []
    assert times == {}, "nobody was to send these there"
    for station in stations:
        for uid in set(station.uids):
            assert set(station.data_sets(uid)) == {sent[uid].data_set}
    twice = sum(count > 1 for _, count in received)
    print(f"{twice} of {len(received)} deliveries came twice or more often: their answers were lost")  # noqa: T201


def explained(outcomes: Sequence[str], received: int) -> bool:
    """Whether a delivery came as often as its attempts tell: once for each success, and perhaps once for each answer
    that was lost. After a success nothing follows unless an answer had been lost before."""
    told, lost = outcomes.count("DELIVERED"), outcomes.count("UNKNOWN")
    first = outcomes.index("DELIVERED")
    ended = first == len(outcomes) - 1 or "UNKNOWN" in outcomes[:first]
    return ended and told <= received <= told + lost
