"""Schedules of rules and stations: what is sent when, at scripted stations, by the database's clock."""

import struct
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.admin import explanations, holds, jobs
from services.forwarder import ledger as deliveries
from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations import Refuse, Slow, StationReceiver
from tests.waiting import until_async

OPEN = ["daily 00:00-24:00 UTC"]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PARKED = "select destination, shut from routing.delivery where shut is not null order by 1, 2"


def closed(name: str = "00:00-24:00") -> list[str]:
    """A schedule that opens in three days; others are the same with another time."""
    return [f"{DAYS[(datetime.now(UTC) + timedelta(days=3)).weekday()]} {name} UTC"]


def opens_now(ledger: Ledger, schedule: list[str]) -> None:
    """Its time has come, a second ago; nothing is notified."""
    ledger.execute(
        "update routing.opening set opens_at = now() - interval '1 second', closes_at = now() + interval '1 hour' "
        "where schedule = %s",
        schedule,
    )


def closes_now(ledger: Ledger, schedule: list[str]) -> None:
    """Its time is over now."""
    ledger.execute(
        "update routing.opening set opens_at = now() - interval '1 hour', closes_at = now() where schedule = %s",
        schedule,
    )


async def test_what_is_closed_waits_without_ageing_and_the_rest_goes(recorder: Recorder, ledger: Ledger) -> None:
    """Of a rule and of a station, both of which have to be open; a person's send heeds the station's alone."""
    nightly, weekly = closed("12:00-14:00"), closed("00:00-24:00")
    with StationReceiver("A") as a, StationReceiver("B") as b:
        add_station(recorder.database_url, "A", a.port)
        add_station(recorder.database_url, "B", b.port, schedule=weekly)
        rules: list[dict[str, object]] = [
            {
                "name": name,
                "when": {"all": [{"fact": "calling_aet", "op": "equals", "value": source}]},
                "send": [{"to": "A"}, {"to": "B"}],
                **({"schedule": schedule} if schedule else {}),
            }
            for name, source, schedule in (("night", "CT1", nightly), ("day", "CT2", OPEN), ("any", "CT3", None))
        ]
        add_rule_set(recorder.database_url, 1, rules)
        async with forwarder(recorder) as running, forwarder(recorder):
            for number, source in ((1, "CT1"), (2, "CT2"), (3, "CT3")):
                await running.evaluate(recorder.record(ct(number, study=number), calling_aet=source))
            for title in ("A", "B"):
                ledger.request("send", {"uids": [ct(1).sop_instance_uid], "to": title})
            await running.requests.reconcile()
            await ledger.until_states({"DELIVERED": 3, "PENDING": 1}, "A")
            await until_async(lambda: len(ledger.rows(PARKED)) == 5)
            assert [tuple(row.values()) for row in ledger.rows(PARKED)] == [("A", "rule"), *[("B", "station")] * 4]
            night = next(job["id"] for job in ledger.jobs() if (job["rule"], job["destination"]) == ("night", "A"))
            for kind, body in (("retry", {"job": str(night)}), ("first", {"jobs": [str(night)]})):
                ledger.request(kind, body)
            await running.requests.reconcile()
            await running.evaluate(recorder.record(ct(1, study=1), calling_aet="CT1", disposition="DUPLICATE"))
            await until_async(lambda: len(ledger.rows(PARKED)) == 5)
            ledger.execute(
                "update routing.delivery set waiting_since = waiting_since - interval '100 hours', "
                "held_since = held_since - interval '100 hours' where shut is not null"
            )
            await running.clocks.give_up()
            await running.clocks.age()
            at = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
            told = {
                (each["destination"], each["reason"])
                for each in (await explanations.where(running.database, ct(1).sop_instance_uid))["deliveries"]
                if each["state"] == "PENDING"
            }
            assert told == {
                ("A", f"waits for its schedule: opens {at}T12:00+00:00 (rule night)"),
                ("B", f"waits for its schedule: opens {at}T12:00+00:00 (station B)"),
                ("B", f"waits for its schedule: opens {at}T00:00+00:00 (station B)"),
            }
            listed = await jobs.list_jobs(running.database, jobs.Filter("QUEUED", "B"), 10)
            assert {each["reason"].split(":")[0] for each in listed} == {"waits for its schedule"}
            await holds.hold(running.database, "operator", "rule", "night", "not this one")
            opens_now(ledger, nightly)
            await until_async(
                lambda: ledger.rows("select 1 from routing.delivery where destination = 'A' and hold > 0")
            )
            assert ledger.states("A") == {"DELIVERED": 3, "PENDING": 1}
            await holds.resume(running.database, "operator", "rule", "night")
            await ledger.until_states({"DELIVERED": 4}, "A")
            closes_now(ledger, nightly)
            opens_now(ledger, weekly)
            await ledger.until_states({"DELIVERED": 3, "PENDING": 1}, "B")
            await until_async(lambda: ledger.rows(PARKED) == [{"destination": "B", "shut": "rule"}])
            opens_now(ledger, nightly)
            await ledger.until_states({"DELIVERED": 4}, "B")
        assert set(Counter(a.uids).values()) | set(Counter(b.uids).values()) <= {1, 2}
    aged = (
        "select 1 from routing.delivery where waiting_since < now() - interval '10 minutes' or held_since is not null"
    )
    assert ledger.rows(aged) == []


async def test_an_association_under_way_ends_when_the_window_closes(recorder: Recorder, ledger: Ledger) -> None:
    """After its instance, in every process; from that moment nothing is claimed, and nothing is lost or sent twice."""
    schedule = closed()
    with StationReceiver("A", Slow(0.2)) as a:
        add_station(recorder.database_url, "A", a.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}], "schedule": schedule}])
        async with forwarder(recorder) as running, forwarder(recorder):
            await running.evaluate(recorder.record(*small_instances(40, seed=1)))
            await until_async(lambda: len(ledger.rows(PARKED)) == 40)
            opens_now(ledger, schedule)
            await until_async(lambda: len(a.uids) >= 2)
            closes_now(ledger, schedule)
            async with running.database.transaction() as connection:
                assert await deliveries.claim(connection, "A", 16, "a worker", 60) == []
            await until_async(lambda: a.open == 0, limit=5)
            received = len(a.uids)
            assert received < 32
            await until_async(lambda: len(ledger.rows(PARKED)) == 40 - received)
            a.behave(Slow(0))
            opens_now(ledger, schedule)
            await ledger.until_states({"DELIVERED": 40})
        assert max(Counter(a.uids).values()) == 1


async def test_nothing_is_given_over_to_a_station_that_is_closed(recorder: Recorder, ledger: Ledger) -> None:
    schedule = closed()
    with StationReceiver("A", Refuse()) as a, StationReceiver("B") as b:
        add_station(recorder.database_url, "B", b.port, schedule=schedule)
        add_station(recorder.database_url, "A", a.port, failover="B", failover_seconds=0)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.failures("A") > 0)
            await running.failover.attend()
            assert ledger.states("A") == {"PENDING": 1}
            opens_now(ledger, schedule)
            await ledger.until_states({"DELIVERED": 1}, "B")
        assert b.uids == [ct(1).sop_instance_uid]


def zone(folder: Path, name: str, at: datetime, hours: int) -> None:
    """A zone whose clocks show 02:00 at that time, and are set forward (to 03:00) or back (to 01:00)."""
    midnight = at.replace(hour=0, minute=0, second=0)
    before = (int((midnight - at).total_seconds()) + 2 * 3600) % 86400
    before -= 86400 if before > 43200 else 0
    types = struct.pack(">lbblbb", before, 0, 0, before + hours * 3600, 1, 4) + b"OLD\0NEW\0"
    (folder / name).write_bytes(
        b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", before, 0, 0) + b"OLD\0"
        + b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 1, 2, 8) + struct.pack(">q", int(at.timestamp())) + b"\1"
        + types + b"\n\n"
    )  # fmt: skip


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[datetime]:
    """Zones whose clocks change: Forward in some seconds, Forwarded half an hour ago, Back and Turned half an hour from
    now and ago; the time at which Forward does."""
    folder = tmp_path / "zones"
    folder.mkdir()
    now = datetime.now(UTC).replace(microsecond=0)
    half, soon = timedelta(minutes=30), now + timedelta(seconds=5)
    for name, at, hours in (("Forward", soon, 1), ("Forwarded", now - half, 1), ("Back", now + half, -1),
                            ("Turned", now - half, -1)):  # fmt: skip
        zone(folder, name, at, hours)
    paths = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(folder), *paths])
    yield soon
    zoneinfo.reset_tzpath(paths)


async def test_edges_of_daylight_saving(recorder: Recorder, ledger: Ledger, zones: datetime) -> None:
    """Cells: a beginning and an end that the clocks skip, a window in the first and in the second of two same hours."""
    cells = [  # window, whether it is sent
        ("02:30-04:00 Forward", True),  # at the jump
        ("01:00-02:30 Forwarded", False),  # it closed at the jump
        ("01:10-01:50 Back", True),  # shown for the first time
        ("01:10-01:50 Turned", False),  # shown again
        ("01:10-02:50 Turned", True),  # it closes when 02:50 is reached for the first time, in more than an hour
    ]
    with StationReceiver("A") as a:
        add_station(recorder.database_url, "A", a.port)
        rules: list[dict[str, object]] = [
            {
                "when": {"all": [{"fact": "calling_aet", "op": "equals", "value": f"CT{number}"}]},
                "send": [{"to": "A"}],
                "schedule": [f"daily {window}"],
            }
            for number, (window, _) in enumerate(cells)
        ]
        add_rule_set(recorder.database_url, 1, rules)
        async with forwarder(recorder) as running:
            for number in range(len(cells)):
                await running.evaluate(recorder.record(ct(number, study=number), calling_aet=f"CT{number}"))
            await ledger.until_states({"DELIVERED": 3, "PENDING": 2})
    rows = ledger.rows("select state = 'DELIVERED' as sent, finished_at from routing.delivery order by id")
    assert [row["sent"] for row in rows] == [sent for _, sent in cells]
    assert rows[0]["finished_at"] >= zones
