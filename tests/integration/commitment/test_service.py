"""The whole service, as a process enters it: what comes by messages, by the sweeps alone, and its end under load."""

import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from schemas.commitment import REPORTS, REQUESTS
from services.commitment import main
from services.runtime.app import Runtime
from services.runtime.clock import now
from services.runtime.objects import new_key
from tests.factories import Instance, ct
from tests.integration.commitment.asking_bench import Desk
from tests.integration.commitment.scp_bench import APPLICATION, NOWHERE, Site, in_thread, references, running
from tests.recorded import add_station
from tests.stations.asker import Asking, Hearing
from tests.stations.committer import NO_SUCH_OBJECT, SILENT, Committer, Script, failing
from tests.waiting import until_async

QUICK = {"QUIET_SECONDS": "0", "POLL_SECONDS": "0.1", "LINGER_SECONDS": "0", "RECONCILE_SECONDS": "0.5"}
SESSIONS = "select 1 from pg_stat_activity where application_name = %s"


@asynccontextmanager
async def serving(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, amqp_url: str = NOWHERE, **settings: str
) -> AsyncIterator[Runtime]:
    """The service in this process."""
    for name, value in (QUICK | settings).items():
        monkeypatch.setenv(f"GATEWAY_COMMITMENT_{name}", value)
    async with running(site, amqp_url) as runtime, main.service(runtime):
        yield runtime


def evaluated(site: Site) -> None:
    """Routing has looked at everything that is stored."""
    site.rows(
        "insert into routing.evaluation (received_at, object_key, sop_instance_uid, revision, study_instance_uid, "
        "rule_set) select received_at, object_key, sop_instance_uid, 1, '1.2', 1 from storage.identity"
    )


async def test_the_archives_verdict_reaches_the_modality_at_once(
    start: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own failure reason too; the request would have been looked at again half a minute later (sweeps alone)."""
    site = start({"GATEWAY_INGEST_REPORT_WAIT_SECONDS": "0"})
    desk = Desk(site.url)
    good, bad = instances = [ct(1), ct(2)]
    site.recorder.record(*instances)
    site.everything_is_recorded()
    evaluated(site)
    job = desk.job()
    for each in instances:
        desk.execute(DELIVERED, each.sop_instance_uid, job, each.sop_class_uid)
    with Hearing() as modality, Committer(site.ingest.port, script=SILENT) as archive:
        desk.server("ARCHIVE1", archive.port)
        add_station(site.url, "SCANNER1", modality.port, commit_downstream=["ARCHIVE1"])
        async with serving(site, monkeypatch, SWEEP_SECONDS="0.2"):
            asked = await in_thread(archive.request)
            assert await site.ask("1.2.3.4", *instances) == 0
            await until_async(lambda: site.states() == ["CHECKING"])
            await until_async(lambda: site.change(LOOKED_AT_LONG_AGO))
            await until_async(lambda: site.rows(LOOKS_LATER))
            verdict = failing(NO_SUCH_OBJECT, bad.sop_instance_uid)(asked)
            told = await in_thread(lambda: archive.report(verdict, to=asked))
            told_at = time.monotonic()
            assert told.status == 0
            report = await in_thread(modality.report, "1.2.3.4")
    assert report.at - told_at < 2
    assert report.committed == tuple(references(good))
    assert report.failed == ((*references(bad)[0], NO_SUCH_OBJECT),)


DELIVERED = (
    "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, "
    "object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, finished_at, commit_on) "
    "values (now(), %s, 1, 'ARCHIVE1', %s, '1.2', 'k', 0, 1, 's', %s, '1.2', 'DELIVERED', now(), 'ARCHIVE1')"
)
LOOKED_AT_LONG_AGO = (
    "update commitment.inbound set recorded_at = now() - interval '1 hour', next_attempt_at = now() "
    "where state = 'CHECKING' and lease_holder is null returning id"
)
LOOKS_LATER = (
    "select id from commitment.inbound where next_attempt_at > now() + interval '20 s' and lease_holder is null"
)


async def test_messages_alone_bring_requests_reports_and_what_ingest_has_sent(
    start: Callable[..., Site], amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the sweeps of the start, which are proved to be over, none comes for an hour."""
    site = start({"GATEWAY_AMQP_URL": amqp_url})
    desk = Desk(site.url)
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    for folder in (REPORTS, REQUESTS):
        site.recorder.objects.put_bytes(new_key(folder, now(), "json"), b"swept")
    with Hearing() as modality, Committer(site.ingest.port, script=Script()) as archive:
        desk.server("ARCHIVE1", archive.port)
        add_station(site.url, "SCANNER1", modality.port)
        async with serving(site, monkeypatch, amqp_url=amqp_url, SWEEP_SECONDS="3600", RECONCILE_AGE_SECONDS="0"):
            await until_async(lambda: site.rows(SWEPT))
            await until_async(lambda: site.ingest.metric("gateway_bus_available") == 1)
            began = time.monotonic()
            await in_thread(ask_and_answer, site, "1.2.3.1", instance, 0)
            await until_async(lambda: site.states()[1:] == ["REPORTED"], limit=4)
            await in_thread(ask_and_answer, site, "1.2.3.2", instance, 0x0110)
            await in_thread(modality.report, "1.2.3.2", 4)
            desk.deliver(2)
            await desk.until_states({"SUCCESS": 1}, limit=8)
            assert time.monotonic() - began < 20
        assert [told.status for told in archive.told] == [0]
    assert [report.transaction_uid for report in modality.reports] == ["1.2.3.2"]


SWEPT = "select 1 from commitment.report, commitment.inbound"


def ask_and_answer(site: Site, transaction: str, instance: Instance, status: int) -> None:
    """Ask, stay, answer the report on the same association."""
    with Asking(site.ingest.port) as modality:
        assert modality.ask(transaction, references(instance)).status == 0
        assert modality.report(status=status).committed == tuple(references(instance))


async def test_stopped_under_load_it_leaves_nothing_behind(
    start: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer and an archive that never answer, and a peer to whom all associations are taken. Nobody waits for them."""
    site = start(ingest=False)
    desk = Desk(site.url)
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    with Hearing() as modality, Committer(0, script=Script(status=None)) as archive:
        modality.status = None
        desk.server("ARCHIVE1", archive.port, associations=4)
        desk.deliver(3)
        for peer in ("SCANNER1", "SCANNER2"):
            add_station(site.url, peer, modality.port, associations=1)
            for number in range(20):
                site.keep(f"1.2.{peer[-1]}.{number}", instance, calling=peer)
        desk.execute(TAKEN)
        service = serving(site, monkeypatch, SWEEP_SECONDS="0.2", ASSOCIATIONS="4")
        async with service as runtime:
            await in_thread(archive.request)
            await until_async(lambda: modality.reports)
            await until_async(lambda: sorted(site.states()) == [*["READY"] * 38, *["SENDING"] * 2], limit=30)
            stopped_at = time.monotonic()
            runtime.supervisor.stop()
        assert time.monotonic() - stopped_at < runtime.settings.drain_seconds
        assert not runtime.supervisor.crashed
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("association")]
        await until_async(lambda: not site.rows(SESSIONS, APPLICATION))
    assert "SENDING" not in site.states()
    assert desk.states() == {"UNANSWERED": 1}
    assert [row["holder"] for row in desk.rows("select holder from runtime.lease")] == ["somebody"]


TAKEN = "insert into runtime.lease values ('association/SCANNER2/1', 'somebody', now() + interval '1 hour')"


async def test_reports_do_not_wait_for_requests_of_our_own(
    start: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive answers none of the requests that a process may have under way."""
    site = start(ingest=False)
    desk = Desk(site.url)
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    with Hearing() as modality, Committer(0, script=Script(status=None)) as archive:
        desk.server("ARCHIVE1", archive.port, associations=4)
        desk.deliver(1)
        add_station(site.url, "SCANNER1", modality.port)
        async with serving(site, monkeypatch, SWEEP_SECONDS="0.2", ASSOCIATIONS="1"):
            await in_thread(archive.request)
            site.keep("1.2.3.4", instance)
            await in_thread(modality.report, "1.2.3.4", 5)
            await until_async(lambda: site.states() == ["REPORTED"])
