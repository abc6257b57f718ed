"""What goes first of what waits: by what a station receives, and that a long line costs a claim nothing."""

from typing import Any

import psycopg
import pytest

from services.admin import holds
from services.forwarder import ledger as deliveries
from tests.factories import ct
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations import Accept, Refuse, StationReceiver
from tests.waiting import until_async

LONG_LINE = """
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority, next_attempt_at)
select now() - make_interval(secs => n / 10.0), '2.25.' || n, 1, 'ARCHIVE1', gen_random_uuid(), '2.25.0', 'key', 0, 1,
       '', '1.2.3', '1.2.4', n %% 3, now() - make_interval(secs => n)
from generate_series(1, %s) as n
"""
PAGES = 1500  # of 8 kB that a claim of 16 may touch: its rows with all their indexes, and no walk over the line


async def test_the_order_after_an_outage(recorder: Recorder, ledger: Ledger) -> None:
    """By priority, then as the station wants it, and a hold meanwhile changes nothing."""
    sent = [ct(number, study=number) for number in range(1, 7)]
    oldest = [each.sop_instance_uid for each in sent]
    with StationReceiver("OLD", Refuse()) as old, StationReceiver("NEW", Refuse()) as new:
        add_station(recorder.database_url, "OLD", old.port, associations=1)
        add_station(recorder.database_url, "NEW", new.port, associations=1, order="newest")
        rules: list[dict[str, object]] = [{"send": [{"to": "OLD"}, {"to": "NEW"}]}]
        add_rule_set(recorder.database_url, 1, rules)
        async with forwarder(recorder) as running:
            for instance in sent:
                await running.evaluate(recorder.record(instance))
            ledger.execute("update routing.delivery set priority = 2 where sop_instance_uid = %s", oldest[2])
            await until_async(lambda: ledger.failures("OLD") > 0 and ledger.failures("NEW") > 0)
            for title in ("OLD", "NEW"):
                await holds.hold(running.database, "operator", "station", title, "maintenance")
            await until_async(lambda: len(ledger.rows("select 1 from routing.delivery where hold is not null")) == 12)
            old.behave(Accept())
            new.behave(Accept())
            for title in ("OLD", "NEW"):
                await holds.resume(running.database, "operator", "station", title)
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 12})
    urgent = oldest.pop(2)
    assert old.uids == [urgent, *oldest]
    assert new.uids == [urgent, *reversed(oldest)]


@pytest.mark.parametrize("newest", [False, True])
async def test_a_claim_of_a_long_line_walks_over_nothing(recorder: Recorder, ledger: Ledger, newest: bool) -> None:
    ledger.execute(LONG_LINE, 20_000)
    parameters = {
        "destination": "ARCHIVE1", "most": 16, "newest": newest, "holder": "h", "lease": 60, "unsendable": [],
        "unsendable_reason": "",
    }  # fmt: skip
    with psycopg.connect(recorder.database_url) as connection:
        connection.execute("analyze routing.delivery")
        plan: Any = connection.execute(
            "explain (analyze, buffers, format json) " + deliveries.QUERIES.claim, parameters
        ).fetchone()
    root = plan[0][0]["Plan"]
    assert root["Actual Rows"] == 16
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] < PAGES
