"""How much came from each station and went to it, by day: as a file and from the API."""

from typing import Final

from tests.desk import Desk

# A CT sent three today and two yesterday; of what was sent to A two arrived, one failed, one still waits.
ROWS: Final = """
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status)
select date_trunc('day', now(), 'UTC') - case when n > 3 then interval '1 s' else '0' end,
    'o' || n, '1.' || n, 1, 'NEW', 'a', 1, '1', '2', '3', '4', '10.0.0.1', case when n = 3 then '=CT2' else 'CT1' end,
    'GATEWAY', 'a', 1, 1, 0
from generate_series(1, 5) n;
insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
select sop_instance_uid, 1, repeat('ab', 32), received_at, object_key, 1, 1, '1', '2', '3', '4' from storage.receipt;
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, attempts, finished_at)
select now(), '1.' || n, 1, 'A', gen_random_uuid(), '2', 'o', 1, 1, 'a', '1', '4',
    (array['DELIVERED', 'WARNED', 'FAILED', 'PENDING', 'CANCELED'])[n], 1, case when n <> 4 then now() end
from generate_series(1, 5) n
"""


async def test_received_sent_and_delivered_are_told_by_day_and_station(desk: Desk) -> None:
    for statement in ROWS.split(";\n"):
        await desk.rows(statement)
    found = (await desk.viewer.get("/api/v1/counts?days=2")).json()
    today, yesterday = found[0]["day"], found[-1]["day"]
    assert today > yesterday
    assert [tuple(row.values()) for row in found] == [
        (today, "=CT2", 1, 0, 0), (today, "A", 0, 3, 2), (today, "CT1", 2, 0, 0), (yesterday, "CT1", 2, 0, 0),
    ]  # fmt: skip
    assert len((await desk.viewer.get("/api/v1/counts?days=1")).json()) == 3
    file = await desk.viewer.get("/counts.csv?station=CT1")
    assert file.headers["Content-Type"].startswith("text/csv")
    assert file.text.splitlines() == [
        "day,station,received,sent,delivered", f"{today},CT1,2,0,0", f"{yesterday},CT1,2,0,0",
    ]  # fmt: skip
    assert f"{today},'=CT2,1,0,0" in (await desk.viewer.get("/counts.csv")).text.splitlines()
    assert 'href="/counts.csv?days=31"' in (await desk.viewer.get("/stations")).text
    assert (await desk.viewer.get("/api/v1/counts?days=0")).status_code == 422
