"""DICOM audit messages arrive at a syslog server over TLS: valid, once, in order, and only of what was committed."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.admin.audit_messages.outbox import unsent
from services.admin.audit_messages.sending import Sender
from services.admin.audit_messages.settings import SyslogSettings
from services.admin.changes import audit
from services.admin.looks import looked
from services.runtime.db import Connection
from services.runtime.errors import Unavailable
from tests.desk import ADDRESS, URL, Desk
from tests.syslog_listener import SyslogListener, meaning, syslog_listener
from tests.waiting import until_async

START = ("Application Activity", "Application Start")
STATION = {"title": "CT1", "host": "127.0.0.1", "port": 104}


@dataclass
class Repository:
    """A desk whose audit goes to a syslog server."""

    desk: Desk
    syslog: SyslogListener
    senders: list[Sender] = field(default_factory=list)

    def sender(self, **other: Any) -> Sender:
        """That of one more admin process."""
        told = {
            "host": "127.0.0.1",
            "port": self.syslog.port,
            "ca_file": self.syslog.folder / "ca.pem",
            "site": "Ward 5",
        }
        made = Sender(self.desk.database, SyslogSettings(**told | other), "DESK")
        self.senders.append(made)
        return made

    async def arrived(self, count: int) -> None:
        """Wait for so many messages in all."""
        await until_async(lambda: len(self.syslog.messages) >= count, what=f"{count} messages")
        assert len(self.syslog.messages) == count

    async def waiting(self) -> int:
        """Entries whose messages were not sent."""
        found: int = (await unsent(self.desk.database))["waiting"]
        return found


@pytest.fixture
async def repository(desk: Desk, tmp_path: Path) -> AsyncIterator[Repository]:
    async with syslog_listener(tmp_path) as syslog:
        made = Repository(desk, syslog)
        yield made
        for sender in made.senders:
            await sender.end()


async def test_what_people_do_arrives_as_valid_messages_in_order(repository: Repository) -> None:
    desk = repository.desk
    sender = repository.sender()
    await sender.send_all()
    await repository.arrived(1)  # nothing of what was done before
    await desk.logged_in("viewer")
    await (await desk.client()).post("/login", data={"name": "doe\x01<", "password": "wrong password"})
    assert (await desk.viewer.get("/api/v1/studies")).status_code == 200
    assert (await desk.admin.post("/api/v1/stations", json=STATION)).status_code == 201
    seen = {"If-Match": (await desk.admin.get("/api/v1/users/viewer")).headers["ETag"]}
    changed = await desk.admin.put("/api/v1/users/viewer/role", json={"role": "operator"}, headers=seen)
    assert changed.status_code == 204
    assert (await desk.admin.get("/audit/export.csv")).status_code == 200
    assert (await desk.viewer.post("/logout", headers={"Origin": URL})).status_code == 303
    await sender.send_all()
    await repository.arrived(8)
    assert repository.syslog.events() == [
        START, ("User Authentication", "Login"), ("User Authentication", "Login"), ("Query", ""),
        ("Security Alert", "Network Configuration"), ("Security Alert", "Security Roles Changed"),
        ("Audit Log Used", ""), ("User Authentication", "Logout"),
    ]  # fmt: skip
    _, login, refused, query, station, *_ = repository.syslog.messages
    outcomes = [each.find("EventIdentification").get("EventOutcomeIndicator") for each in (login, refused)]
    assert outcomes == ["0", "4"]
    person, gateway = login.findall("ActiveParticipant")
    assert dict(person.attrib) == {
        "UserID": "viewer", "AlternativeUserID": "user:viewer", "UserIsRequestor": "true",
        "NetworkAccessPointID": ADDRESS, "NetworkAccessPointTypeCode": "2",
    }  # fmt: skip
    assert (gateway.get("UserID"), gateway.get("AlternativeUserID")) == ("DESK", "AETITLES=DESK")
    assert dict(login.find("AuditSourceIdentification").attrib) == {
        "AuditEnterpriseSiteID": "Ward 5", "AuditSourceID": "DESK",
    }  # fmt: skip
    assert base64.b64decode(query.findtext("*/ParticipantObjectQuery")) == b"\x08\x00\x52\x00CS\x06\x00STUDY "
    alert = station.find("ParticipantObjectIdentification")
    assert alert.get("ParticipantObjectID") == "CT1"
    assert base64.b64decode(alert.find("ParticipantObjectDetail").get("value")) == b"station.add CT1"
    header = repository.syslog.headers[1]
    assert (header[0], header[3], header[5]) == ("85", "dicom-gateway", "DICOM+RFC3881")
    assert header[1].endswith("Z")
    assert await repository.waiting() == 0


async def test_looks_name_studies_and_one_patient_each(repository: Repository) -> None:
    """Instances and series by their study; more studies than a message takes make further ones."""
    desk = repository.desk
    await desk.rows("insert into index.patient (patient_id, issuer) values ('P1', ''), ('P2', '')")
    await desk.rows(
        "insert into index.study (study_instance_uid, patient) select '1.2.' || n, p.id "
        "from generate_series(1, 70) n join index.patient p on p.patient_id = case when n < 61 then 'P1' else 'P2' end"
    )
    await desk.rows("insert into index.series (series_instance_uid, study_instance_uid) values ('1.3.1', '1.2.70')")
    sender = repository.sender()
    await sender.send_all()
    uids = [f"1.2.{number}" for number in range(1, 70)]
    await looked(desk.database, "user:doe", "studies.view", [*uids, "1.3.1", "9.9.9"])
    await looked(desk.database, "user:doe", "studies.download", ["1.3.1"])
    await looked(desk.database, "user:doe", "station.query", ["9.9.9"])
    await looked(desk.database, "key:ris", "rules.values", ["00080060"])
    await sender.send_all()
    await repository.arrived(7)
    found = [_objects(each) for each in repository.syslog.messages[1:]]
    assert [(len(studies), patients) for studies, patients in found] == [
        (50, {"P1"}), (10, {"P1"}), (10, {"P2"}), (1, {"P2"}), (1, set()), (0, set()),
    ]  # fmt: skip
    assert {uid for studies, _ in found[:3] for uid in studies} == {*uids, "1.2.70"}
    assert found[4][0] == ["9.9.9"]
    export = repository.syslog.messages[4]
    assert [meaning(each, "RoleIDCode") for each in export.findall("ActiveParticipant")] == [
        "", "Source Role ID", "Destination Media",
    ]  # fmt: skip
    assert meaning(export, "ActiveParticipant/MediaIdentifier/MediaType") == "URI"


async def test_nothing_is_lost_or_blocked_while_the_server_is_away(repository: Repository) -> None:
    desk = repository.desk
    sender = repository.sender()
    await sender.send_all()
    await repository.arrived(1)
    await repository.syslog.leave()
    names = [f"user{number}" for number in range(3)]
    for name in names:
        assert (await desk.admin.post("/api/v1/users", json={"name": name})).status_code == 201
    pauses = [await sender.turn() for _ in range(3)]
    assert 0 < pauses[0] <= 1 < pauses[2] <= 4
    assert await repository.waiting() == 3
    status = (await desk.viewer.get("/api/v1/status")).json()["audit_messages"]
    assert (status["waiting"], status["oldest_seconds"] < 60) == (3, True)
    await desk.rows("update audit.outbox set at = at - interval '11 minutes'")
    assert "3 audit entries have not reached the syslog server" in (await desk.viewer.get("/")).text
    await repository.syslog.listen()
    assert await sender.turn() == 1
    await repository.arrived(4)
    told = [each.find("ParticipantObjectIdentification") for each in repository.syslog.messages[1:]]
    assert [each.get("ParticipantObjectID") for each in told] == names
    assert await repository.waiting() == 0


async def test_several_processes_send_each_message_once_and_in_order(repository: Repository) -> None:
    desk = repository.desk
    senders = [repository.sender() for _ in range(3)]
    await senders[0].send_all()
    for number in range(250):
        await looked(desk.database, f"user:{number}", "rules.values", ["00080060"])
    await asyncio.gather(*(sender.send_all() for sender in senders))
    await asyncio.gather(*(sender.send_all() for sender in senders))
    await repository.arrived(3 + 250)
    told = [each.find("ActiveParticipant").get("UserID") for each in repository.syslog.messages]
    assert [name for name in told if name != "gateway"] == [str(number) for number in range(250)]


async def test_what_is_rolled_back_sends_nothing_and_the_end_of_the_process_is_told(repository: Repository) -> None:
    sender = repository.sender()
    await sender.send_all()

    async def work(conn: Connection) -> None:
        await audit(conn, "user:doe", "user.remove", "somebody", None, None)
        raise Unavailable("the end of it failed")

    with pytest.raises(Unavailable, match="the end of it"):
        await repository.desk.database.retry(work)
    await sender.end()
    await repository.arrived(2)
    assert repository.syslog.events() == [START, ("Application Activity", "Application Stop")]
    repository.senders.clear()


async def test_without_a_destination_no_messages_are_made(repository: Repository) -> None:
    desk = repository.desk
    sender = repository.sender()
    await sender.send_all()
    await repository.sender(host="").send_all()
    assert (await desk.admin.post("/api/v1/users", json={"name": "doe"})).status_code == 201
    assert await repository.waiting() == 0
    assert await desk.rows("select from audit.destination") == []


async def test_another_server_than_the_one_that_is_meant_gets_nothing(repository: Repository, tmp_path: Path) -> None:
    """One whose name, or whose CA, is another one."""
    for other in ({"host": "localhost"}, {"ca_file": None}):
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await repository.sender(**other).send_all()
    assert repository.syslog.messages == []
    assert await repository.waiting() > 0


async def test_a_server_that_wants_to_know_who_sends_is_told(repository: Repository, tmp_path: Path) -> None:
    """Its refusal comes after our side of the handshake (TLS 1.3): what is refused is kept all the same."""
    syslog, nobody = repository.syslog, repository.sender()
    syslog.demanding = True
    for syslog.tickets in (0, 2):
        await syslog.leave()
        await syslog.listen()
        with pytest.raises(Unavailable, match=r"want a certificate of ours|certificate required"):
            await nobody.send_all()
        assert (syslog.messages, await repository.waiting()) == ([], 1)
    await repository.sender(certificate_file=tmp_path / "client.pem").send_all()
    await repository.arrived(2)


def _objects(message: Any) -> tuple[list[str], set[str]]:
    """Studies, and patients."""
    found: dict[str, list[str]] = {}
    for each in message.findall("ParticipantObjectIdentification"):
        found.setdefault(meaning(each, "ParticipantObjectIDTypeCode"), []).append(each.get("ParticipantObjectID"))
    return found.get("Study Instance UID", []), set(found.get("Patient Number", []))
