"""A patient is erased from a whole gateway: afterwards no table, no object and no log knows a word of theirs, and a
proof tells that somebody was erased, not who."""

import asyncio
import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aio_pika
import httpx
import psycopg
import pytest
from psycopg import sql

from schemas.messages import InstanceReceived
from schemas.topology import EXCHANGE
from services.admin.access import api_keys
from services.admin.access.api_keys import NewApiKey
from services.admin.access.role import Role
from services.runtime.db import Database
from tests.conftest import FreshServers
from tests.factories import Instance, ct
from tests.running_gateway import RunningGateway, running_gateway
from tests.stations import Answer, RawSender, StationReceiver
from tests.waiting import until

PATIENT: Final = {"PatientID": "ZK4711", "PatientName": "Zaunkoenig^Berta", "AccessionNumber": "ACZK77"}
MISTAKEN: Final = {"PatientID": "FK9999", "PatientName": "Falschmann^Emil", "AccessionNumber": "ACZK77"}
OTHER: Final = {"PatientID": "AM1234", "PatientName": "Amsel^Otto", "AccessionNumber": "ACAM55"}
CANARIES: Final = ("ZK4711", "Zaunkoenig", "ACZK77", "FK9999", "Falschmann")
TRACES: Final = {
    "storage.fact", "index.patient", "index.study", "config.request", "audit.entry", "config.action",
    "config.rule_test", "runtime.dead_letter", "runtime.outbox", "routing.delivery", "routing.destination",
}  # fmt: skip
WHY: Final = "asked for under article 17"
RULES: Final = "version: 1\nrules:\n  - name: all\n    when: {all: []}\n    send: [{to: REFUSING}, {to: AWAY}]\n"
QUICK: Final = {"GATEWAY_STORAGE_DELETION_WAIT_SECONDS": "0.1", "GATEWAY_STORAGE_DELETION_POLL_SECONDS": "0.5"}


@pytest.fixture
def gateway(tmp_path: Path, fresh_servers: FreshServers) -> Iterator[RunningGateway]:
    """What is received goes to a station that refuses it and to one that is away."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # nobody listens there
        with (
            StationReceiver("REFUSING", Answer(0xA900)) as refusing,
            fresh_servers() as shared,
            running_gateway(tmp_path / "home", settings=QUICK, shared=shared) as running,
        ):
            running.add_station("SCANNER1")
            running.add_station("REFUSING", refusing.port, "--store")
            running.add_station("AWAY", nobody.getsockname()[1], "--store")
            running.apply_rules(RULES)
            yield running


@pytest.mark.timeout(240)
def test_nothing_knows_the_patient_any_more_and_the_proof_says_so(gateway: RunningGateway) -> None:
    """Two studies, one shared with another patient, a revision, a correction, dead letters, a rule test, answers kept
    for programs; the process that erases is killed meanwhile."""
    shared_study = ct(seed=5110, study=52, **OTHER)
    stored = [
        ct(seed=5101, study=51, **PATIENT),
        ct(seed=5102, study=51, **PATIENT),
        ct(seed=5102, study=51, **PATIENT, ImageComments="another content"),
        ct(seed=5103, study=51, **MISTAKEN),
        ct(seed=5104, study=52, **PATIENT),
    ]
    for instance in (*stored, shared_study):
        assert store(gateway, instance) == 0
    wait_for_refusals(gateway, len(stored) + 1)
    leave_traces(gateway, stored)
    wait_for_refusals(gateway, len(stored) + 2)
    told = f"status A900 Data Set does not match SOP Class: unknown patient {PATIENT['PatientName']}"
    gateway.rows(_TOLD, told, stored[0].sop_instance_uid, told)
    found_before = places_with(gateway.database_url, CANARIES)
    assert found_before >= TRACES
    erasure = refused_then_asked(gateway)
    interrupt(gateway, erasure)
    until(lambda: state_of(gateway, erasure) == "ERASED", limit=60, what="the patient to be erased")

    assert places_with(gateway.database_url, CANARIES) == set()
    assert files_with(gateway.home, CANARIES) == []
    assert_others_are_intact(gateway, shared_study)
    assert_proved(gateway, erasure, stored)
    assert store(gateway, stored[0]) == 0
    until(lambda: gateway.json("studies", "list", "--patient-id", "ZK4711"), limit=20, what="a new patient")


def store(gateway: RunningGateway, instance: Instance) -> int:
    """The status of one C-STORE."""
    contexts = [(instance.sop_class_uid, instance.transfer_syntax_uid)]
    with RawSender(gateway.dicom_port, "SCANNER1", contexts=contexts) as sender:
        return sender.store(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
        )


def wait_for_refusals(gateway: RunningGateway, contents: int) -> None:
    """Until so many are routed, and none waits for the station that refuses; the other's wait."""
    asked = """
select (select count(*) from routing.evaluation) as routed,
       (select count(*) from routing.delivery
        where destination = 'REFUSING' and state in ('PENDING', 'SENDING', 'UNKNOWN')) as open"""
    done = {"routed": contents, "open": 0}
    until(lambda: gateway.rows(asked) == [done], limit=60, what="every content to be refused")


def leave_traces(gateway: RunningGateway, stored: list[Instance]) -> None:
    """Everything that may hold a patient's data beside what was stored."""
    name, number = PATIENT["PatientName"], PATIENT["PatientID"]
    why = "Falschmann, Emil was mistaken for Zaunkoenig, Berta"
    gateway.cli("studies", "correct", stored[3].sop_instance_uid, "--patient-id", number, "--patient-name", name,
                "--why", why)  # fmt: skip
    header = gateway.home / "header.yaml"
    header.write_text(json.dumps({"elements": {"PatientID": number, "PatientName": name}}))
    gateway.cli("rules", "tests", "add", "hers", str(header), "--nowhere")
    header.unlink()
    asyncio.run(let_die(gateway, [letter(PATIENT), letter(OTHER), b"{" + name.encode()]))
    until(lambda: len(gateway.json("dead", "list")) == 3, limit=40, what="the dead letters to be parked")
    numbers = [str(row["id"]) for row in gateway.rows("select id from runtime.dead_letter order by id")]
    gateway.cli("dead", "replay", *numbers[:2])
    until(lambda: len(gateway.json("dead", "list")) == 3, limit=40, what="the dead letters to die again")
    gateway.cli("dead", "discard", numbers[2], "--reason", f"a wrong message about {name}")
    asyncio.run(ask_as_a_program(gateway))


_TOLD: Final = """
with told as (
    update routing.delivery set reason = %s where sop_instance_uid = %s and destination = 'REFUSING' returning id
)
update routing.destination set last_failure = %s where title = 'REFUSING' returning title"""
"""As if the station had written that (Error Comment)."""


def letter(patient: dict[str, str]) -> bytes:
    """A message of a version that nobody takes."""
    values = {"00100020": [patient["PatientID"]], "00100010": [patient["PatientName"]]}
    body = {"type": "instance.received", "version": 99, "body": {"facts": {"values": values}}}
    return json.dumps(body).encode()


async def let_die(gateway: RunningGateway, bodies: list[bytes]) -> None:
    """Send these bytes to the queue of storage."""
    async with await aio_pika.connect(gateway.amqp_url) as connection:
        exchange = await (await connection.channel()).get_exchange(EXCHANGE)
        for body in bodies:
            await exchange.publish(aio_pika.Message(body), routing_key=InstanceReceived.routing_key())


async def ask_as_a_program(gateway: RunningGateway) -> None:
    """Search for the patient, which is audited, and have an answer kept that names them."""
    database = Database(gateway.database_url, application="test", any_schema=True)
    await database.open()
    made = await api_keys.add(database, "cli:tests", NewApiKey(name="program", role=Role.ADMIN))
    await database.close()
    key = {"Authorization": f"Bearer {made.key}"}
    async with httpx.AsyncClient(base_url=str(gateway.http_address("admin")), headers=key, timeout=20) as client:
        found = await client.get("/api/v1/studies", params={"patient_id": PATIENT["PatientID"]})
        assert found.json()["items"]
        held = "/api/v1/stations/REFUSING/hold"
        why = {"why": f"wait for {PATIENT['PatientID']}"}
        told = await client.put(held, json=why, headers={"Idempotency-Key": "a program's"})
        assert PATIENT["PatientID"] in told.text
        assert (await client.delete(held)).is_success


def refused_then_asked(gateway: RunningGateway) -> str:
    """What waits for the station that is away forbids it, until it is forced; the index is away when it begins."""
    erase = ("patients", "erase", PATIENT["PatientID"], "--why")
    told = gateway.json(*erase, WHY, "--dry-run")
    assert (told["studies"], told["instances"], told["revisions"]) == (2, 4, 6)
    assert told["open"]["deliveries"] >= 4
    gateway.cli(*erase, WHY, status=1)
    gateway.cli(*erase, "Zaunkoenig Berta asked for it", "--force", status=2)
    assert gateway.json("patients", "erasures", "list") == []
    gateway.kill("index")
    asked = gateway.json(*erase, WHY, "--force")
    gateway.cli(*erase, WHY, "--force", status=1)
    return str(asked["id"])


def state_of(gateway: RunningGateway, erasure: str) -> str:
    """How far it is."""
    return str(gateway.json("patients", "erasures", "show", erasure)["state"])


def interrupt(gateway: RunningGateway, erasure: str) -> None:
    """Kill who erases once it waits for the index alone, and start both."""

    def waits() -> bool:
        found = gateway.json("patients", "erasures", "show", erasure)
        return found["state"] == "RUNNING" and "object store" not in found["remaining"] and "answer of index" in (
            found["remaining"]
        )  # fmt: skip

    until(waits, limit=60, what="the objects to be deleted")
    gateway.kill("admin")
    gateway.start_parts(["index", "admin"])


def places_with(url: str, words: tuple[str, ...]) -> set[str]:
    """Tables, by the schema of their whole, of which any column of any row has one of the words, in whatever type."""
    found = set()
    with psycopg.connect(url) as connection:
        for schema, table, columns in connection.execute(_COLUMNS).fetchall():
            texts = [
                sql.SQL("encode({}, 'escape')" if kind == "bytea" else "{}::text").format(sql.Identifier(column))
                for column, kind in columns
            ]
            query = sql.SQL("select 1 from {} where lower(concat_ws(' ', {})) like any(%s) limit 1").format(
                sql.Identifier(schema, table), sql.SQL(", ").join(texts)
            )
            if connection.execute(query, [[f"%{word.lower()}%" for word in words]]).fetchone():
                found.add(f"{schema}.{table}")
    return found


_COLUMNS: Final = """
select c.table_schema, c.table_name, json_agg(json_build_array(c.column_name, c.data_type))
from information_schema.columns c
join pg_class p on p.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
where c.table_schema not in ('pg_catalog', 'information_schema') and p.relkind in ('r', 'p') and not p.relispartition
group by 1, 2"""


def files_with(home: Path, words: tuple[str, ...]) -> list[str]:
    """Files of the gateway, its objects and logs too, that have one of the words."""
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any("objects" in path.parts for path in files)
    lowered = [word.lower().encode() for word in words]
    return [str(path) for path in files if any(word in path.read_bytes().lower() for word in lowered)]


def assert_others_are_intact(gateway: RunningGateway, instance: Instance) -> None:
    """The study that was shared is the other patient's now, with what was stored and what is to be sent."""
    study = gateway.json("studies", "show", instance.study_instance_uid)
    assert (study["patient_id"], study["accession_number"], study["instances"]) == ("AM1234", "ACAM55", 1)
    assert study["patient_conflict"] is False
    states = "select destination, state from routing.delivery where sop_instance_uid = %s order by destination"
    assert [row["state"] for row in gateway.rows(states, instance.sop_instance_uid)] == ["PENDING", "FAILED"]
    [left] = gateway.json("dead", "list")
    assert "AM1234" in gateway.json("dead", "show", str(left["id"]))["body"]
    gateway.cli("studies", "export", instance.study_instance_uid, "--to", str(gateway.home / "export"))
    [file] = (gateway.home / "export").rglob("*.dcm")
    assert file.read_bytes().endswith(instance.data_set)


def assert_proved(gateway: RunningGateway, erasure: str, stored: list[Instance]) -> None:
    """The proof is what the audit has the hash of; it has every content, and each place with nothing left."""
    text = gateway.cli("patients", "erasures", "show", erasure, "--proof")
    proof: dict[str, Any] = json.loads(text)
    assert proof["why"] == WHY
    assert proof["erased"]["revisions"] == 6
    hashes = {hashlib.sha256(instance.data_set).hexdigest() for instance in stored}
    assert hashes < {each["sha256"] for each in proof["instances"]}
    assert {each["found_afterwards"] for each in proof["places"]} == {0}
    erased = {each["place"]: each["erased"] for each in proof["places"]}
    assert erased["object store"] == erased["storage.fact"] == erased["index.instance"] == 6
    assert erased["routing.delivery, open"] >= 4
    assert all(erased[place] for place in ("audit.entry", "config.request", "config.action", "config.rule_test"))
    assert (erased["runtime.dead_letter"], erased["runtime.outbox"]) == (3, 1)
    [entry] = gateway.json("audit", "list", "--action", "studies.erase")
    revisions = gateway.json("where", stored[1].sop_instance_uid)["instances"]
    assert [(each["gone"]["how"], each["gone"]["by"]) for each in revisions] == [("erased", entry["actor"])] * 2
    assert entry["after"]["proof"] == hashlib.sha256(text.encode()).hexdigest()
    assert [row["id"] for row in gateway.json("patients", "erasures", "list", "--patient-id", "ZK4711")] == [erasure]
    assert gateway.json("patients", "erasures", "list", "--patient-id", "AM1234") == []
