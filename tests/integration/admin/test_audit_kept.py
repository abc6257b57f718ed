"""The audit as a file, and what becomes of its old entries."""

import asyncio
import csv
import hashlib
import io
import json
from typing import Any

import pytest

from services.admin.audit_retention import delete_old
from services.admin.settings import AdminSettings
from services.runtime.errors import UsageError
from tests.desk import Desk

OLD = """
insert into audit.entry (at, actor, action, object, before, after)
select date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'
       - make_interval(days => n / 100, secs => -(n %% 7)),
       'user:doe', case n %% 2 when 0 then 'station.set' else 'user.add' end, n, null, '{"name": "Müller"}'
from generate_series(%s::int, %s::int) n"""


async def entries(desk: Desk, action: str) -> list[Any]:
    return await desk.rows("select before, after from audit.entry where action = %s order by id", action)


async def test_a_time_of_the_audit_is_exported_in_each_format_and_that_is_audited(desk: Desk) -> None:
    await desk.rows(OLD, 100, 2600)
    program = await desk.program()
    span = {"since": "20d", "until": "5d", "action": "station"}
    answer = await program.get("/api/v1/audit/export", params=span)
    assert answer.headers["Content-Type"] == "application/jsonl; charset=utf-8"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert 700 < len(rows) < 800
    assert {row["action"] for row in rows} == {"station.set"}
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert rows[0]["after"] == {"name": "Müller"}
    sheet = await desk.admin.get("/audit/export.csv", params=span)
    listed = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [each["at"] for each in listed] == [row["at"] for row in rows]
    assert len((await program.get("/api/v1/audit", params=span | {"limit": 200})).json()["items"]) == 200
    assert "station.set" in (await desk.admin.get("/audit", params=span)).text
    begun, done = await entries(desk, "audit.export"), await entries(desk, "audit.exported")
    assert [each["after"]["format"] for each in begun] == ["jsonl", "csv"]
    assert [(each["after"]["entries"], each["after"]["sha256"]) for each in done] == [
        (len(rows), hashlib.sha256(text.content).hexdigest()) for text in (answer, sheet)
    ]
    assert (await program.get("/api/v1/audit/export?since=soon")).status_code == 422


async def test_old_entries_go_in_parts_and_what_went_can_be_shown_by_who_exported_it(desk: Desk) -> None:
    await desk.rows(OLD, 2900, 9500)
    program = await desk.program()
    before = (await program.get("/api/v1/audit/export")).text.splitlines(keepends=True)
    gone = await asyncio.gather(*(delete_old(desk.database, 30) for _ in range(2)))
    assert sum(gone) == 6401
    assert await delete_old(desk.database, 30) == 0
    (left,) = await desk.rows("select count(*) as entries from audit.entry where actor = 'user:doe'")
    assert left["entries"] == 200
    told = [each["before"] for each in await entries(desk, "audit.delete")]
    assert sum(each["entries"] for each in told) == sum(gone)
    assert len(told) == 2
    for each in told:
        lines = [line for line in before if each["from"] <= json.loads(line)["at"] < each["to"]]
        assert hashlib.sha256("".join(lines).encode()).hexdigest() == each["sha256"]


def test_the_audit_is_kept_for_ever_or_a_month_at_least() -> None:
    assert AdminSettings().audit_days is None
    with pytest.raises(UsageError, match="GATEWAY_ADMIN_AUDIT_DAYS: it should be greater than or equal to 30"):
        AdminSettings.load(audit_days=29)
