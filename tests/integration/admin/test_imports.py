"""Files that people send from a browser or a program: what a real ingest makes of them, and what is told."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.snapshot import SnapshotStation
from services.admin.settings import AdminSettings
from services.dicom.part10 import ObjectMeta, file_head
from tests.desk import Desk, opened_desk
from tests.factories import Instance, ct
from tests.ingest_process import IngestProcess, snapshot
from tests.waiting import until_async

IMPORTS = "/api/v1/imports"
MOST_BYTES = 1 << 20


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """A receiving process that knows IMPORT."""
    process = IngestProcess(tmp_path_factory.mktemp("ingest"), {"GATEWAY_AET": "DESK"})
    process.configure(snapshot(stations=[SnapshotStation(title="IMPORT")]))
    process.start()
    yield process
    process.end()


@pytest.fixture
async def importing(database_url: str, tmp_path: Path, ingest: IngestProcess) -> AsyncIterator[Desk]:
    """A desk that sends what it gets to that process."""
    settings = AdminSettings(max_import_bytes=MOST_BYTES, import_at=f"127.0.0.1:{ingest.port}")
    async with opened_desk(database_url, tmp_path, settings=settings) as desk:
        station = {"title": "IMPORT", "host": "127.0.0.1", "port": 104}
        assert (await desk.admin.post("/api/v1/stations", json=station)).is_success
        yield desk


def part_10(instance: Instance) -> bytes:
    """The instance as a file."""
    meta = ObjectMeta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
    return file_head(meta) + instance.data_set


def zipped(**members: bytes) -> bytes:
    """A ZIP with these members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


async def sent(desk: Desk, data: bytes, **asked: str) -> httpx.Response:
    """What the API answers an operator."""
    return await desk.operator.post(IMPORTS, content=data, params=asked)


async def taken(desk: Desk, data: bytes) -> dict[str, Any]:
    """What became of a file that was looked into."""
    answer = await sent(desk, data)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_file_and_a_zip_are_received_as_from_a_station(importing: Desk, ingest: IngestProcess) -> None:
    before = len(ingest.stored())
    alone = await taken(importing, part_10(ct(1)))
    assert (alone["calling_aet"], alone["sent"], alone["not_taken"]) == ("IMPORT", 1, 0)
    assert alone["statuses"] == [{"status": "0000", "name": "Success", "files": 1}]
    assert alone["studies"] == [ct(1).study_instance_uid]
    several = {"Doe^Jane": part_10(ct(2)), "b": ct(3).data_set, "notes.txt": b"nothing", "cut": part_10(ct(4))[:900]}
    found = await taken(importing, zipped(**several))
    assert [each["files"] for each in found["statuses"] if each["status"] == "0000"] == [2]
    assert found["not_taken"] == 1
    assert [fault["file"] for fault in found["faults"]] == ["cut"]
    assert [(each["reason"], each["files"]) for each in found["skipped"]] == [("not DICOM", 1)]
    assert len(ingest.stored()) == before + 3
    audited = (await importing.admin.get("/api/v1/audit", params={"action": "files.import"})).text
    assert "upload of" in audited
    assert "Doe" not in audited


async def test_a_station_that_may_not_call_from_where_the_desk_does_is_refused_with_the_cure(
    database_url: str, tmp_path: Path, ingest: IngestProcess
) -> None:
    """Ingest is reached by a name, as in a cluster: what counts is the address that the desk calls from."""
    settings = AdminSettings(max_import_bytes=MOST_BYTES, import_at=f"localhost:{ingest.port}")
    async with opened_desk(database_url, tmp_path, settings=settings) as desk:
        station = {"title": "IMPORT", "host": "10.1.1.1", "port": 104}
        assert (await desk.admin.post("/api/v1/stations", json=station)).is_success
        refused = await sent(desk, part_10(ct(1)))
        assert (refused.status_code, "not from 127.0.0.1" in refused.text) == (409, True), refused.text
        await desk.rows("update config.station set addresses = '{127.0.0.0/8}' where title = 'IMPORT'")
        assert (await taken(desk, part_10(ct(1))))["not_taken"] == 0


REFUSED: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"", {}, 422, "it is empty"),
    (b"\0" * (MOST_BYTES + 1), {}, 422, "GATEWAY_ADMIN_MAX_IMPORT_BYTES"),
    (b"PK\5\6", {"calling_aet": "NOBODY"}, 404, "gateway station add NOBODY"),
    (b"PK\5\6", {"calling_aet": "A\\B"}, 422, "no backslash"),
]


async def test_what_cannot_be_imported_names_the_cure(importing: Desk) -> None:
    for data, asked, status, cure in REFUSED:
        answer = await sent(importing, data, **asked)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert cure in answer.json()["detail"]
    found = await taken(importing, b"GIF89a is no instance")
    assert (found["sent"], found["not_taken"]) == (0, 1)
    assert found["faults"] == [{"file": "", "status": None, "reason": "not DICOM"}]
    cut = await sent(importing, zipped(a=part_10(ct(9)))[:-30])
    assert (cut.status_code, "the file: cannot be read as ZIP" in cut.text) == (422, True)
    empty = await taken(importing, zipped())
    assert (empty["not_taken"], empty["faults"][0]["reason"]) == (1, "a ZIP without files")
    page = await importing.operator.get("/import")
    assert "<option selected>IMPORT</option>" in page.text


async def test_a_gateway_that_stops_ends_an_import_between_two_files(importing: Desk, ingest: IngestProcess) -> None:
    before = len(ingest.stored())
    many = zipped(**{str(number): part_10(ct(100 + number)) for number in range(300)})
    answered = asyncio.create_task(sent(importing, many))
    await until_async(lambda: asyncio.to_thread(lambda: len(ingest.stored()) > before), what="an instance to be taken")
    importing.runtime.supervisor.stop()
    answer = await answered
    taken_until_then = len(ingest.stored()) - before
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert f"{taken_until_then} instances were taken" in answer.json()["detail"]
    assert "begin the import again" in answer.json()["detail"]
    assert taken_until_then < 300
    (entry,) = (await importing.admin.get("/api/v1/audit", params={"action": "files.imported"})).json()["items"]
    assert (entry["after"]["taken"], entry["after"]["whole"]) == (taken_until_then, False)
    assert (await sent(importing, many)).status_code == 503  # nor does one begin
