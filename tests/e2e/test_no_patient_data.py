"""P9: no patient data in logs, metrics, traces, health answers, or what ``jobs``, ``where`` and other commands print.

Every text element of what is sent holds one word; faults of every kind are caused; then nothing but ``studies list``
and the bodies of dead letters may know the word. The processes log at level debug.
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from schemas.messages import InstanceReceived
from schemas.topology import EXCHANGE
from tests import canary
from tests.collector import Collector
from tests.factories import Instance, ct, mr
from tests.running_gateway import RunningGateway, running_gateway
from tests.stations import AbortAfterData, Answer, RawSender, StationReceiver
from tests.stations.finder import Finder, identifier
from tests.stations.retriever import PATIENT_ROOT, Retriever
from tests.waiting import until

CANARY = canary.PATIENTS[0]
DEMOGRAPHICS: dict[str, Any] = {
    "PatientName": f"{CANARY}^{CANARY}",
    "PatientID": CANARY,
    "IssuerOfPatientID": CANARY,
    "OtherPatientIDs": CANARY,
    "PatientAddress": CANARY,
    "PatientComments": CANARY,
    "AccessionNumber": CANARY,
    "StudyID": CANARY,
    "StudyDescription": CANARY,
    "SeriesDescription": CANARY,
    "ReferringPhysicianName": CANARY,
    "InstitutionName": CANARY,
}
RULES = """
version: 1
rules:
  - name: compares-what-cannot-be-compared
    when: {any: [{tag: PatientBirthDate, op: lt, value: "19500101"}, {tag: PatientWeight, op: gt, value: 100}]}
    send: [{to: HEALTHY}]
  - name: to-all
    when: {all: []}
    send: [{to: HEALTHY}, {to: REFUSING}, {to: ABORTING}]
"""
TITLES = ("HEALTHY", "REFUSING", "ABORTING")
DEAD_LETTERS = 4


def sound() -> list[Instance]:
    """Instances that are accepted: ordinary ones, a long text, and ones whose values are not what their VR says."""
    plain = [ct(seed=4100 + number, study=41, **DEMOGRAPHICS) for number in range(3)]
    long = mr(seed=4200, study=42, **DEMOGRAPHICS | {"PatientComments": CANARY * 30})
    weighed = [mr(seed=4201 + number, study=42, **DEMOGRAPHICS, PatientWeight="70.1234567") for number in range(3)]
    name = f"{CANARY}^{CANARY}".encode()
    return [
        *plain,
        long,
        altered(weighed[0], {b"ISO_IR 100": b"ISO_IR 999"}),
        altered(weighed[1], {name: CANARY.encode() + b"\0\x1b$B\xff".ljust(len(name) - len(CANARY))}),
        altered(weighed[2], {b"70.1234567": CANARY.encode()[:10], b"19700101": CANARY.encode()[:8]}),
    ]


def altered(instance: Instance, changes: dict[bytes, bytes]) -> Instance:
    """The instance with values replaced by others of the same length in the encoded data set."""
    data_set = instance.data_set
    for before, after in changes.items():
        assert before in data_set
        assert len(before) == len(after)
        data_set = data_set.replace(before, after)
    return replace(instance, data_set=data_set)


def unsound() -> list[Instance]:
    """Instances that have to be refused, each for another reason."""
    made = [ct(seed=4400 + number, study=44, **DEMOGRAPHICS) for number in range(5)]
    cut = made[0].data_set
    other_uid = made[1].data_set.replace(made[1].sop_instance_uid.encode(), made[0].sop_instance_uid.encode())
    padded = CANARY.encode().ljust(len(made[2].study_instance_uid), b"x")
    named_study = made[2].data_set.replace(made[2].study_instance_uid.encode(), padded)
    names = made[3].data_set.index(f"{CANARY}^{CANARY}".encode())
    return [
        replace(made[0], data_set=cut[: len(cut) - 500]),
        replace(made[1], data_set=other_uid),
        replace(made[2], data_set=named_study),
        replace(made[3], data_set=made[3].data_set[: names + 12]),
        replace(made[4], data_set=CANARY.encode() * 40),
    ]


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """What the traces of all go to."""
    with Collector(tmp_path) as running:
        yield running


@pytest.fixture
def gateway(tmp_path: Path, collector: Collector) -> Iterator[RunningGateway]:
    """One healthy destination, one that refuses every object, one that aborts after the data."""
    with (
        StationReceiver("HEALTHY") as healthy,
        StationReceiver("REFUSING", Answer(0xA900)) as refusing,
        StationReceiver("ABORTING", AbortAfterData()) as aborting,
        running_gateway(
            tmp_path / "home",
            settings={"GATEWAY_LOG_LEVEL": "debug", "GATEWAY_TRACES_ENDPOINT": collector.endpoint},
        ) as running,
    ):
        running.add_station("SCANNER1")
        for title, station in zip(TITLES, (healthy, refusing, aborting), strict=True):
            running.add_station(title, station.port, "--store")
        running.apply_rules(RULES)
        yield running


@pytest.mark.timeout(240)
def test_the_canary_is_nowhere(gateway: RunningGateway, collector: Collector) -> None:
    """Whatever goes wrong, the patient's data stay in objects, database and message bodies."""
    message = asyncio.run(first_message(gateway))
    accepted = sound()
    assert [store(gateway, instance) for instance in accepted[1:]] == [0] * (len(accepted) - 1)
    assert all(store(gateway, instance) != 0 for instance in unsound())
    with pytest.raises(ConnectionRefusedError):
        store(gateway, accepted[0], calling_aet="STRANGER")
    asyncio.run(publish(gateway, dead_messages(message)))
    until(lambda: len(gateway.json("dead", "list")) == DEAD_LETTERS, limit=40, what="the dead letters to be parked")
    wait_for_outcomes(gateway, accepted)
    ask(gateway)
    lose_the_database(gateway)
    assert CANARY in gateway.cli("studies", "list"), "the data that must not leak were never read"
    assert_absent(gateway, accepted, collector.text())


def ask(gateway: RunningGateway) -> None:
    """Queries and retrievals with the patient's data: answered, failing, with keys that cannot be read, and cut."""
    with Finder(gateway.dicom_port) as finder:
        name = {0x00100010: f"{CANARY}*", 0x00100020: CANARY}
        assert len(finder.find(identifier("STUDY", name))) > 1
        assert finder.find(identifier("STUDY", {**name, 0x00080020: CANARY}))[-1].status == 0xC000
        assert finder.find(identifier("SERIES", name))[-1].status == 0xA900
        assert finder.find(identifier("STUDY", name)[:-3])[-1].status == 0xC000
    with Retriever(gateway.dicom_port) as retriever:
        for to, status in (("HEALTHY", 0), ("REFUSING", 0xA702), ("ABORTING", 0xA702), ("NOBODY", 0xA801)):
            answers = retriever.retrieve({0x00100020: CANARY}, "PATIENT", root=PATIENT_ROOT, to=to)
            assert answers[-1].status == status
        assert retriever.retrieve({0x00100020: CANARY}, "STUDY", root=PATIENT_ROOT, to=to)[-1].status == 0xA900


def store(gateway: RunningGateway, instance: Instance, calling_aet: str = "SCANNER1") -> int:
    """The status of one C-STORE over an association of its own."""
    contexts = [(instance.sop_class_uid, instance.transfer_syntax_uid)]
    with RawSender(gateway.dicom_port, calling_aet, contexts=contexts) as sender:
        return sender.store(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
        )


async def first_message(gateway: RunningGateway) -> dict[str, Any]:
    """Send the first instance; the message that ingest publishes of it."""
    connection = await aio_pika.connect(gateway.amqp_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("", exclusive=True)
        await queue.bind(EXCHANGE, InstanceReceived.routing_key())
        assert await asyncio.to_thread(store, gateway, sound()[0]) == 0
        async with queue.iterator(timeout=20) as messages:
            found: dict[str, Any] = json.loads((await anext(messages)).body)
        assert CANARY in json.dumps(found)
        return found


def dead_messages(message: dict[str, Any]) -> list[bytes]:
    """What no consumer can take: no JSON, no message, a body with a wrong field, an unknown version."""
    wrong = json.loads(json.dumps(message))
    wrong["body"]["receipt"]["size"] = CANARY
    wrong["body"]["receipt"][CANARY[:4].lower()] = CANARY
    return [
        f"{{{CANARY}".encode(),
        json.dumps([CANARY]).encode(),
        json.dumps(wrong).encode(),
        json.dumps(message | {"version": 99}).encode(),
    ]


async def publish(gateway: RunningGateway, bodies: list[bytes]) -> None:
    """Send these bytes to the queue of storage."""
    connection = await aio_pika.connect(gateway.amqp_url)
    async with connection:
        exchange = await (await connection.channel()).get_exchange(EXCHANGE)
        for body in bodies:
            await exchange.publish(aio_pika.Message(body), routing_key=InstanceReceived.routing_key())


def wait_for_outcomes(gateway: RunningGateway, instances: list[Instance]) -> None:
    """Until each instance was delivered and refused, and the one that aborts was tried: it gets one probe at a time."""
    uids = [instance.sop_instance_uid for instance in instances]
    statement = """
select destination, count(distinct sop_instance_uid) as instances from routing.delivery
where sop_instance_uid = any(%s) and attempts > 0 group by 1
"""

    def tried() -> bool:
        found = {row["destination"]: row["instances"] for row in gateway.rows(statement, uids)}
        return found.get("ABORTING", 0) > 0 and found.get("HEALTHY") == found.get("REFUSING") == len(uids)

    until(tried, limit=60, what="every delivery to be tried")


def lose_the_database(gateway: RunningGateway) -> None:
    """Kill PostgreSQL under the services, receive something, start it again."""
    gateway.postgresql.kill()
    late = ct(seed=4500, study=45, **DEMOGRAPHICS)
    assert store(gateway, late) == 0
    gateway.postgresql.start()
    statement = "select 1 from storage.identity where sop_instance_uid = %s"
    until(lambda: gateway.rows(statement, late.sop_instance_uid), limit=60, what="the late instance to be recorded")


def assert_absent(gateway: RunningGateway, instances: list[Instance], traces: str) -> None:
    """Look everywhere; name every place at once."""
    places = dict(printed(gateway, instances)) | dict(served(gateway)) | dict(logged(gateway.home))
    assert all(instance.sop_instance_uid in traces for instance in instances)
    places["traces"] = traces
    assert len(places) > 20
    assert all(places.values()), [place for place, text in places.items() if not text]
    assert not {place: _around(text) for place, text in places.items() if CANARY.lower() in text.lower()}


def _around(text: str) -> str:
    place = text.lower().index(CANARY.lower())
    return text[max(0, place - 300) : place + 100]


def printed(gateway: RunningGateway, instances: list[Instance]) -> Iterator[tuple[str, str]]:
    """What the commands print, for people and as JSON."""
    jobs = [job["id"] for job in gateway.json("jobs", "list")][:4]
    commands = [["jobs", "list"], ["status"], ["dead", "list"], ["rules", "history"], ["station", "list"]]
    commands += [["jobs", "show", job] for job in jobs]
    commands += [["where", uid] for uid in (instances[0].study_instance_uid, instances[-1].sop_instance_uid)]
    for command in commands:
        yield " ".join(command), gateway.cli(*command)
        yield " ".join(command) + " --json", gateway.cli(*command, "--json")


def served(gateway: RunningGateway) -> Iterator[tuple[str, str]]:
    """What every process tells over HTTP."""
    for name in gateway.part_names:
        for path in ("/metrics", "/readyz", "/livez"):
            try:
                with urllib.request.urlopen(f"{gateway.http_address(name)}{path}", timeout=5) as answer:  # noqa: S310
                    yield f"{name}{path}", answer.read().decode()
            except urllib.error.HTTPError as refused:
                yield f"{name}{path}", refused.read().decode()


def logged(home: Path) -> Iterator[tuple[str, str]]:
    """Every log: ours, PostgreSQL's, RabbitMQ's."""
    for path in home.rglob("*.log"):
        if path.stat().st_size:
            yield str(path.relative_to(home)), path.read_text(errors="replace")
