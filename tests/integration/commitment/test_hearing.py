"""What peers report, applied exactly once whoever is away (R82, R107, R109, R110, R112, R135, R136)."""

import asyncio
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from private_servers.postgresql import PrivatePostgresql
from structlog.testing import capture_logs

from schemas.commitment import REPORTS
from services.runtime.errors import Reject, Unavailable
from services.runtime.objects import new_key, open_store
from services.runtime.settings import RuntimeSettings
from tests.integration.commitment.hearing_bench import Asked, hearer, long_ago
from tests.recorded import add_station
from tests.s3_server import s3_server
from tests.waiting import until_async

NO_SUCH_INSTANCE, RESOURCE_LIMITATION = 0x0112, 0x0213


@pytest.fixture
def asked(database_url: str, tmp_path: Path) -> Asked:
    add_station(database_url, "ARCHIVE1", 104, commit_server=True, report_titles=["REPORTER"])
    return Asked(database_url, tmp_path)


async def test_each_instance_has_its_own_verdict_and_failures_are_in_the_error_log(asked: Asked) -> None:
    number = asked.ask(4, "1.2.1")
    with capture_logs() as logs:
        async with hearer(asked, archive_history=True) as process:
            await process.handle(asked.receive("1.2.1", [0, 1], {2: NO_SUCH_INSTANCE}))
    row = asked.commitment(number)
    assert (row["state"], row["committed"], row["failed"], row["pending"]) == ("FAILURE", 2, 1, 1)
    assert (row["reason"], row["closed_at"]) == ("No such object instance (1)", None)
    assert asked.archived() == {"1.2.1.0", "1.2.1.1"}
    assert asked.told() == [("FAILURE", 2, 1, 1)]
    history = asked.rows("select sop_instance_uid, transaction_uid from commitment.archive_history_view order by 1")
    assert [tuple(row.values()) for row in history] == [("1.2.1.0", "1.2.1"), ("1.2.1.1", "1.2.1")]
    errors = [entry for entry in logs if entry["log_level"] == "error" and entry["event"] == "instances_not_committed"]
    assert [(entry["reason"], entry["instances"]) for entry in errors] == [("No such object instance", ["1.2.1.2"])]


async def test_a_report_by_the_names_that_were_sent_flags_what_is_stored(asked: Asked) -> None:
    number = asked.ask(2, "1.2.1")
    asked.rows("update commitment.item set named_uid = sop_instance_uid, sop_instance_uid = '9.' || sop_instance_uid")
    async with hearer(asked) as process:
        await process.handle(asked.receive("1.2.1", [0], {1: NO_SUCH_INSTANCE}))
    row = asked.commitment(number)
    assert (row["state"], row["committed"], row["failed"]) == ("FAILURE", 1, 1)
    assert asked.archived() == {"9.1.2.1.0"}


async def test_parts_come_in_any_order_and_for_any_attempt(asked: Asked) -> None:
    number = asked.ask(3, "1.2.1", state="ASKING")
    asked.rows("insert into commitment.attempt (transaction_uid, commitment) values ('1.2.2', %s)", number)
    asked.rows("update commitment.item set sop_instance_uid = '1.2.2.2' where sop_instance_uid = '1.2.1.2'")
    async with hearer(asked) as process:
        first, second = asked.receive("1.2.1", [0, 1]), asked.receive("1.2.2", [2])
        await process.handle(second)
        assert (asked.commitment(number)["state"], asked.told()) == ("ASKING", [])
        await process.handle(first, second)
    row = asked.commitment(number)
    assert (row["state"], row["reason"], row["closed_at"] is not None) == ("SUCCESS", "", True)
    assert row["finished_at"] is not None
    assert (asked.verdicts(), len(asked.archived())) == (["APPLIED", "APPLIED"], 3)
    assert asked.rows("select 1 from commitment.archive_history") == []


async def test_what_does_not_count_is_recorded_and_flags_nothing(asked: Asked) -> None:
    open_one, closed = asked.ask(1, "1.2.1"), asked.ask(1, "1.2.2", state="FAILURE", closed=True)
    asked.ask(1, "1.2.3", deadline="-1 second")
    for transaction, calling in (("1.2.9", "ARCHIVE1"), ("1.2.1", "SCANNER1"), ("1.2.2", "ARCHIVE1")):
        asked.receive(transaction, [0], calling=calling)
    asked.receive("1.2.3", [0])
    asked.put(b"\xff{")
    asked.put(b'{"transaction_uid": "1.2.1"}')
    with capture_logs() as logs:
        async with hearer(asked) as process:
            assert [await process.sweep.run_once() for _ in range(2)] == [6, 0]
    assert asked.verdicts() == ["UNKNOWN", "FOREIGN", "LATE", "LATE", "UNREADABLE", "UNREADABLE"]
    assert (asked.archived(), asked.told()) == (set(), [])
    assert [asked.commitment(each)["pending"] for each in (open_one, closed)] == [1, 1]
    alarms = [entry["event"] for entry in logs if entry["log_level"] == "error"]
    assert alarms == ["commitment_reported", "commitment_report_unreadable", "commitment_report_unreadable"]


async def test_a_report_title_counts_and_the_same_again_is_a_duplicate(asked: Asked) -> None:
    number = asked.ask(1, "1.2.1")
    asked.receive("1.2.1", [0], calling="OTHER")
    asked.receive("1.2.1", [0], calling="REPORTER")
    asked.receive("1.2.1", [0])
    async with hearer(asked) as process:
        await process.sweep.run_once()
    assert (asked.verdicts(), asked.commitment(number)["state"]) == (["FOREIGN", "APPLIED", "DUPLICATE"], "SUCCESS")
    assert asked.told() == [("SUCCESS", 1, 0, 0)]


async def test_what_was_durable_in_time_counts_though_the_deadline_was_acted_upon(asked: Asked) -> None:
    number = asked.ask(2, "1.2.1", state="FAILURE", deadline="-1 second", closed=True)
    canceled = asked.ask(1, "1.2.2", state="FAILURE", deadline="1 hour", closed=True)
    in_time = datetime.now(UTC) - timedelta(seconds=30)
    async with hearer(asked) as process:
        await process.handle(asked.receive("1.2.1", [0, 1], at=in_time), asked.receive("1.2.2", [0], at=in_time))
    assert (asked.commitment(number)["state"], asked.commitment(number)["reason"]) == ("SUCCESS", "")
    assert asked.commitment(canceled)["state"] == "FAILURE"
    assert (sorted(asked.verdicts()), asked.archived()) == (["APPLIED", "LATE"], {"1.2.1.0", "1.2.1.1"})


async def test_of_two_revisions_the_newest_is_flagged(asked: Asked) -> None:
    number = asked.ask(2, "1.2.1")
    asked.rows("update commitment.item set sop_instance_uid = '1.2.1.0', revision = delivery + 1")
    asked.rows("update commitment.item set revision = 3 - revision")  # the newest, 2, is the first
    async with hearer(asked) as process:
        await process.handle(asked.receive("1.2.1", [0]))
    assert asked.commitment(number)["state"] == "SUCCESS"
    assert asked.rows("select sop_instance_uid, revision from commitment.archived") == [
        {"sop_instance_uid": "1.2.1.0", "revision": 2}
    ]


async def test_late_success_repairs_where_the_setting_believes_it(asked: Asked) -> None:
    number = asked.ask(2, "1.2.1")
    async with hearer(asked) as process:
        await process.handle(asked.receive("1.2.1", [0], {1: RESOURCE_LIMITATION}))
        await process.handle(asked.receive("1.2.1", [1]))
    assert asked.archived() == {"1.2.1.0"}
    async with hearer(asked, repair_late=True) as process:
        await process.handle(asked.receive("1.2.1", [1]))
    row = asked.commitment(number)
    assert (row["state"], row["reason"], row["failed"], asked.verdicts()) == (
        "SUCCESS", "", 0, ["APPLIED", "LATE", "REPAIRED"]
    )  # fmt: skip
    assert asked.archived() == {"1.2.1.0", "1.2.1.1"}
    assert asked.rows("select 1 from commitment.item where failure_reason is not null") == []


async def test_three_processes_with_the_same_reports_apply_each_once(asked: Asked) -> None:
    numbers = {f"1.2.{place}": asked.ask(2, f"1.2.{place}") for place in range(1, 101)}
    keys = [asked.receive(each, [0]) for each in numbers] + [asked.receive(each, [1]) for each in numbers]
    async with hearer(asked) as one, hearer(asked) as two, hearer(asked) as three:
        random.Random(4).shuffle(keys)
        await asyncio.gather(one.handle(*keys), two.sweep.run_once(), three.handle(*reversed(keys)))
    assert asked.verdicts() == ["APPLIED"] * 200
    assert {asked.commitment(number)["state"] for number in list(numbers.values())[:10]} == {"SUCCESS"}
    assert (len(asked.archived()), len(asked.told())) == (200, 200)


async def test_a_report_of_20000_instances_is_applied_in_seconds(asked: Asked) -> None:
    number = asked.ask(20_000, "1.2.1")
    key = asked.receive("1.2.1", range(19_000), dict.fromkeys(range(19_000, 20_000), NO_SUCH_INSTANCE))
    async with hearer(asked, archive_history=True) as process:
        started = time.monotonic()
        await process.handle(key)
        assert time.monotonic() - started < 10
    row = asked.commitment(number)
    assert (row["state"], row["committed"], row["failed"], len(asked.archived())) == ("FAILURE", 19_000, 1000, 19_000)


async def test_a_message_without_its_object_is_rejected_and_one_about_what_is_known_is_done(asked: Asked) -> None:
    asked.ask(1, "1.2.1")
    key = asked.receive("1.2.1", [0])
    async with hearer(asked) as process:
        with pytest.raises(Reject, match="does not exist"):
            await process.handle(new_key(REPORTS, datetime.now(UTC), "json"))
        with pytest.raises(Reject, match="no key of a report"):
            await process.handle("objects/2026/11/24/10/a.dcm")
        await process.handle(key)
        asked.objects.delete(key)
        await process.handle(key)
    assert asked.verdicts() == ["APPLIED"]


async def test_recorded_objects_are_deleted_when_old_by_their_own_time_and_others_never(asked: Asked) -> None:
    old, future, fresh = (asked.receive("1.2.9", [0], at=at) for at in (long_ago(40), long_ago(-4000), long_ago(0)))
    for key in (old, asked.put(b"no report")):
        os.utime(asked.folder / key, (long_ago(31).timestamp(),) * 2)
    wrong_key = asked.receive("1.2.9", [0], at=long_ago(400))
    async with hearer(asked) as process:
        assert await process.sweep.run_once() == 5
        left = {found.key for folder in asked.objects.folders(REPORTS) for found in asked.objects.list(folder.name)}
        assert left == {future, fresh, wrong_key}
        later = asked.receive("1.2.9", [0])
        assert await process.sweep.run_once() == 1
    assert later not in left
    assert len(asked.verdicts()) == 6


async def test_killed_at_any_point_a_report_is_applied_once(asked: Asked) -> None:
    """After the object: the sweep brings it. After the row: the message comes again, and a sweep that never saw it."""
    number = asked.ask(2, "1.2.1")
    async with hearer(asked, archive_history=True) as killed:
        key = asked.receive("1.2.1", [0])
        assert await killed.sweep.run_once() == 1
    async with hearer(asked, archive_history=True) as next_one:
        await next_one.handle(key)
        assert await next_one.sweep.run_once() == 0
        other = asked.receive("1.2.1", [1])
        await next_one.handle(other)
        await next_one.handle(other)
        assert await next_one.sweep.run_once() == 0
    assert (asked.commitment(number)["state"], asked.verdicts()) == ("SUCCESS", ["APPLIED", "APPLIED"])
    assert asked.told() == [("WAITING FOR COMMITMENT", 1, 0, 1), ("SUCCESS", 2, 0, 0)]
    assert len(asked.rows("select 1 from commitment.archive_history")) == 2


async def test_the_sweep_of_a_bucket_whose_folders_have_no_time(asked: Asked, tmp_path: Path) -> None:
    """S3: everything is found at the first look, of any hour; quiet folders are left alone; what is old is deleted."""
    with s3_server() as server:
        settings = {name.removeprefix("GATEWAY_").lower(): value for name, value in server.environment("a").items()}
        asked.objects = open_store(RuntimeSettings(home=tmp_path, **settings))  # type: ignore[arg-type]
        number = asked.ask(3, "1.2.1")
        asked.receive("1.2.1", [0])
        asked.receive("1.2.1", [1], at=long_ago(400))
        asked.put(b"no report")
        async with hearer(asked) as process:
            assert [await process.sweep.run_once() for _ in range(2)] == [3, 0]
            asked.receive("1.2.1", [2])
            assert await process.sweep.run_once() == 1
        async with hearer(asked, object_days=1) as later:
            later.sweep._kept = timedelta(seconds=-60)
            unheard = asked.receive("1.2.9", [0])
            handled = await later.sweep.run_once()
            left = [found.key for folder in asked.objects.folders(REPORTS) for found in asked.objects.list(folder.name)]
            assert (handled, left) == (1, [])
            assert unheard in {row["object_key"] for row in asked.rows("select object_key from commitment.report")}
    assert (asked.commitment(number)["state"], len(asked.archived())) == ("SUCCESS", 3)


async def test_one_object_that_cannot_be_read_holds_up_no_other_and_stays(asked: Asked) -> None:
    asked.ask(1, "1.2.1")
    folder = asked.folder / new_key(REPORTS, datetime.now(UTC), "json")
    folder.mkdir(parents=True)
    asked.receive("1.2.1", [0])
    async with hearer(asked) as process:
        assert await process.sweep.run_once() == 1
    assert (folder.is_dir(), asked.verdicts()) == (True, ["APPLIED"])


async def test_what_came_while_the_database_was_away_is_applied_when_it_is_back(
    private_postgresql: PrivatePostgresql, tmp_path: Path
) -> None:
    asked = Asked(private_postgresql.url, tmp_path / "objects")
    number = asked.ask(2, "1.2.1")
    async with hearer(asked) as process:
        first = asked.receive("1.2.1", [0])
        private_postgresql.stop_immediately()
        second = asked.receive("1.2.1", [1])
        failed = await asyncio.gather(process.handle(first, second), process.sweep.run_once(), return_exceptions=True)
        assert [type(error) for error in failed] == [Unavailable, Unavailable]
        private_postgresql.start()

        async def swept() -> bool:
            try:
                await process.sweep.run_once()
            except Unavailable:
                return False
            return True

        await until_async(swept)
    assert (asked.commitment(number)["state"], asked.verdicts()) == ("SUCCESS", ["APPLIED", "APPLIED"])
