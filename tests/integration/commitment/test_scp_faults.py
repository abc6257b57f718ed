"""We commit: many requests, large ones, several processes, kills, and peers and servers that leave in between."""

import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from private_servers.postgresql import PrivatePostgresql

from schemas.messages import CommitmentRequested, Envelope
from schemas.snapshot import SnapshotStation
from services.commitment.changes import announce
from services.commitment.inbound import InboundRequests
from services.commitment.inbound_judging import Judge
from services.dicom.commitment import encode_request
from services.runtime.errors import Reject
from tests.factories import ct
from tests.ingest_process import IngestProcess, snapshot
from tests.integration.commitment.hearing_bench import Asked
from tests.integration.commitment.scp_bench import NEVER, Site, committing, in_thread, references
from tests.recorded import add_station
from tests.stations.asker import Asking, Hearing
from tests.stations.messages import read_message
from tests.stations.raw_association import RELEASE_RP, read_pdu
from tests.stations.raw_sender import IMPLICIT_LITTLE_ENDIAN, pdu
from tests.waiting import until, until_async

MANY = """
insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
select '1.2.3.' || n, 1, sha256, received_at, object_key, size, data_set_offset, sop_class_uid, study_instance_uid,
    series_instance_uid, transfer_syntax_uid
from storage.identity, generate_series(1, %s) n
"""
REPORT_NOW = "update commitment.inbound set next_attempt_at = now() where state = 'READY' returning id"


@pytest.mark.large
async def test_20000_references_are_reported_in_seconds(start: Callable[..., Site]) -> None:
    site = start(NEVER)
    instance = ct(1)
    site.recorder.record(instance)
    site.rows(MANY, 19_000)
    site.everything_is_recorded()
    named = [(instance.sop_class_uid, f"1.2.3.{number}") for number in range(1, 20_001)]
    data = encode_request("1.2.3.4", named, IMPLICIT_LITTLE_ENDIAN)  # with pydicom it takes seconds
    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port)
        async with committing(site):
            asked_at = time.monotonic()
            assert await site.ask("1.2.3.4", data=data) == 0
            assert time.monotonic() - asked_at < 5
            report = await in_thread(hearing.report, "1.2.3.4")
    assert report.at - asked_at < 30
    assert (len(report.committed), len(report.failed)) == (19_000, 1000)
    assert {reason for _, _, reason in report.failed} == {0x0112}


async def test_three_processes_report_each_of_60_requests_once(start: Callable[..., Site]) -> None:
    site = start(ingest=False)
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    peers = [f"SCANNER{number}" for number in range(6)]
    with Hearing() as hearing:
        for peer in peers:
            add_station(site.url, peer, hearing.port, associations=3)
        for peer, number in product(peers, range(10)):
            site.keep(f"1.2.{peer[-1]}.{number}", instance, calling=peer)
        async with AsyncExitStack() as processes:
            for _ in range(3):
                await processes.enter_async_context(committing(site))
            await until_async(lambda: site.states() == ["REPORTED"] * 60, limit=30)
    assert sorted(report.transaction_uid for report in hearing.reports) == sorted(
        f"1.2.{peer[-1]}.{number}" for peer, number in product(peers, range(10))
    )


def test_a_report_that_a_killed_process_left_unanswered_is_reported_again(start: Callable[..., Site]) -> None:
    site = start(ingest=False)
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    process = IngestProcess(
        site.ingest.home,
        {
            "GATEWAY_DATABASE_URL": site.url,
            "GATEWAY_COMMITMENT_LEASE_SECONDS": "1",
            "GATEWAY_COMMITMENT_POLL_SECONDS": "0.1",
            "GATEWAY_COMMITMENT_SWEEP_SECONDS": "0.2",
        },
        services=("commitment",),
    )
    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port)
        hearing.status = None
        try:
            site.keep("1.2.3.4", instance)
            process.start(ready=False)
            hearing.report("1.2.3.4")
            assert site.states() == ["SENDING"]
            assert process.process is not None
            process.process.send_signal(signal.SIGKILL)
            process.process.wait(10)
            hearing.status = 0
            process.start(ready=False)
            until(lambda: site.states() == ["REPORTED"], limit=20)
        finally:
            process.end()
        assert [report.committed for report in hearing.reports] == [tuple(references(instance))] * 2


async def test_what_an_archive_reports_during_a_look_is_looked_at_at_once(
    start: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that had begun before must not put the request off by half a minute."""
    site = start(ingest=False)
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    asked = Asked(site.url, site.ingest.home / "objects")
    number = asked.ask(1, "1.2.9")
    site.rows("update commitment.item set sop_instance_uid = %s", instance.sop_instance_uid)
    site.rows(EVALUATED)
    looked, looks = Judge._archives, 0

    async def archived_meanwhile(judge: Judge, *arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        seen = await looked(judge, *arguments)
        if looks == 1:
            async with judge._database.transaction() as connection:
                await connection.execute(ARCHIVED, (instance.sop_instance_uid, number))
                await connection.execute("update commitment.inbound set recorded_at = now() - interval '1 hour'")
                await announce(connection, [number])
        return seen

    monkeypatch.setattr(Judge, "_archives", archived_meanwhile)
    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port, commit_downstream=["ARCHIVE1"])
        site.keep("1.2.3.4", instance)
        async with committing(site):
            report = await in_thread(hearing.report, "1.2.3.4", 10)
    assert report.committed == tuple(references(instance))


EVALUATED = (
    "insert into routing.evaluation (received_at, object_key, sop_instance_uid, revision, study_instance_uid, "
    "rule_set) select received_at, object_key, sop_instance_uid, 1, '1.2', 1 from storage.identity"
)
ARCHIVED = (
    "insert into commitment.archived (sop_instance_uid, revision, server, study_instance_uid, commitment, "
    "transaction_uid) values (%s, 1, 'ARCHIVE1', '1.2', %s, '1.2.9')"
)


async def test_a_release_that_crosses_the_report(start: Callable[..., Site]) -> None:
    """It is answered, and the report comes on a new association."""
    site = start()
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()

    def ask_and_release() -> None:
        modality = Asking(site.ingest.port)
        with modality:
            assert modality.ask("1.2.3.4", references(instance)).status == 0
            modality.socket.settimeout(10)
            assert read_message(modality.socket) is not None
            modality.socket.sendall(pdu(5, bytes(4)))
            assert read_pdu(modality.socket)[0] == RELEASE_RP

    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port)
        async with committing(site):
            await in_thread(ask_and_release)
            assert site.states() == ["READY"]
            await site.change(REPORT_NOW)
            await in_thread(hearing.report, "1.2.3.4")
            await until_async(lambda: site.states() == ["REPORTED"])
    assert len(hearing.reports) == 1


async def reported_now(site: Site) -> bool:
    """Whether it was decided; then it is reported without the wait for the association of the request."""
    return bool(site.states() == ["READY"] and await site.change(REPORT_NOW)) or site.states() == ["REPORTED"]


async def test_the_database_is_away_when_the_request_comes(
    private_postgresql: PrivatePostgresql, tmp_path: Path
) -> None:
    ingest = IngestProcess(tmp_path / "home", {"GATEWAY_DATABASE_URL": private_postgresql.url})
    try:
        ingest.configure(snapshot(stations=[SnapshotStation(title="SCANNER1")]))
        ingest.start()
        site = Site(private_postgresql.url, ingest)
        instance = ct(1)
        site.recorder.record(instance)
        site.everything_is_recorded()
        with Hearing() as hearing:
            add_station(site.url, "SCANNER1", hearing.port)
            async with committing(site):
                private_postgresql.stop_immediately()
                assert await site.ask("1.2.3.4", instance) == 0
                private_postgresql.start()
                await until_async(lambda: reported_now(site), limit=20)
                report = await in_thread(hearing.report, "1.2.3.4")
    finally:
        ingest.end()
    assert report.committed == tuple(references(instance))


async def test_a_request_that_cannot_be_told_apart_from_noise_holds_up_no_other(start: Callable[..., Site]) -> None:
    """An object elsewhere is refused; one that PostgreSQL refuses gets a row that says so."""
    site = start(ingest=False)
    site.keep("1.2\0.3", ct(1))
    async with committing(site) as runtime:
        await until_async(lambda: site.states() == ["GIVEN UP"])
        requests = InboundRequests(runtime.db, runtime.objects)
        message = Envelope.wrap(CommitmentRequested(object_key="objects/2026/11/24/10/a.dcm"), "ingest")
        with pytest.raises(Reject, match="no key of a request"):
            await requests.requested([message])
