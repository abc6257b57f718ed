"""``gateway studies delete``: the request, its audit, and what storage answers."""

import asyncio
from pathlib import Path

import psycopg

from services.runtime.db import Database
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
from services.storage.corrections import Corrector
from services.storage.requests import Requests
from services.storage.settings import StorageSettings
from tests.factories import ct
from tests.integration.cli.conftest import Gateway
from tests.recorded import Recorder, add_rule_set
from tests.waiting import until_async

WAITS = """
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
                              data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state)
values (now(), %(uid)s, 1, 'WS', gen_random_uuid(), %(study)s, 'k', 0, 1, 'h', 'c', 't', 'PENDING')
"""


async def carry_out(database_url: str, folder: Path) -> None:
    """As a running storage does with the next request."""
    objects = LocalStore(str(folder / "objects"), Watermark(0, 0))
    database = Database(database_url, application="test-storage")
    await database.open()
    try:
        await database.wait_available()
        requests = Requests(database, StorageSettings(), Corrector(objects, folder, 1 << 30), commitment=True)
        await until_async(requests.reconcile, limit=20, what="the command to have asked")
    finally:
        await database.close()


async def test_a_study_is_deleted_by_storage_or_kept_with_the_reason(
    process: Gateway, database_url: str, tmp_path: Path
) -> None:
    add_rule_set(database_url, 1, [])
    Recorder(database_url, tmp_path / "objects").record(ct(1), ct(2, study=1))
    study = ct(1).study_instance_uid

    async def delete(*options: str) -> tuple[int, str]:
        ran, _ = await asyncio.gather(
            asyncio.to_thread(process, "studies", "delete", study, *options), carry_out(database_url, tmp_path)
        )
        return ran.status, ran.out + ran.err

    assert process("studies", "delete", "1.2.3.404").status == 1
    status, text = await delete()
    assert status == 1
    assert "not routed yet" in text
    with psycopg.connect(database_url) as connection:
        connection.execute(WAITS, {"uid": ct(1).sop_instance_uid, "study": study})
    status, text = await delete("--even-uncommitted")
    assert status == 1
    assert "nothing was deleted: 1 delivery has not ended: 1 to WS; wait, cancel" in text
    unsaid = process("studies", "delete", study, "--force")
    assert unsaid.status == 2
    assert "--why" in unsaid.err
    assert await delete("--even-uncommitted", "--force", "--why", "WS is gone") == (
        0,
        "delete: 2 instances, given up what was not sent yet: 1 to WS\n",
    )
    with psycopg.connect(database_url) as connection:
        states = connection.execute("select distinct state from storage.identity").fetchall()
        told = connection.execute(
            "select after -> 'even_uncommitted' from audit.entry where action = 'request.delete' order by at"
        ).fetchall()
        done = connection.execute(
            "select actor, after -> 'instances', after ->> 'why' from audit.entry where action = 'studies.delete'"
        ).fetchall()
    assert states == [("DELETING",)]
    assert told == [(False,), (True,), (True,)]
    assert [(actor.partition(":")[0], *told) for actor, *told in done] == [("cli", 2, "WS is gone")]
