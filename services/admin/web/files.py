"""Answers that are files: one instance as it is, several as a ZIP."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse

from services.admin.access.principal import Principal
from services.admin.errors import NotFound
from services.admin.exporting.contents import contents_of
from services.admin.exporting.files import file_of
from services.admin.looks import looked
from services.admin.patients.downloads import as_file_set, length_of, named, zipped
from services.admin.uids import uid_of
from services.admin.web.desk import Desk
from services.admin.web.names import refuse_files
from services.runtime.errors import Unavailable

AT_ONCE: Final = 4
"""Downloads under way; more would keep the disk from what is received and sent."""
MOST_CHOSEN: Final = 100
"""Named in an address; studies and series may have any number of instances."""
_under_way: set[object] = set()


async def instance_file(desk: Desk, principal: Principal, uid: str) -> Response:
    """The Part 10 file of an instance, its data set bit for bit as received. Audited."""
    refuse_files(desk, principal)
    (content, *others) = await contents_of(desk.database, [uid], all_revisions=False)
    if others or content.sop_instance_uid != uid_of(uid):
        raise NotFound(f"{uid} is no instance: studies and series are downloaded as a ZIP")
    _require_place()
    await looked(desk.database, principal.actor, "studies.download", [content.sop_instance_uid])
    headers = {"Content-Length": str(length_of(content))}
    return _sent(
        file_of(desk.runtime.objects, content), "application/dicom", f"{content.sop_instance_uid}.dcm", headers
    )


async def whole_zip(desk: Desk, principal: Principal, uids: Sequence[str], series: str | None = None) -> Response:
    """Studies, series or instances as a ZIP; ``series``: of the study that is named only this one. Audited."""
    refuse_files(desk, principal)
    contents = await contents_of(desk.database, uids, all_revisions=False)
    files = named([each for each in contents if series is None or each.series_instance_uid == series])
    if not files:
        raise NotFound(f"no series {series} lies in that study")
    _require_place()
    await looked(desk.database, principal.actor, "studies.download", [each.sop_instance_uid for _, each in files])
    name = f"{series or uid_of(uids[0])}.zip"
    return _sent(zipped(desk.runtime.objects, files), "application/zip", name, {})


async def chosen_zip(desk: Desk, principal: Principal, uids: Sequence[str], *, dicomdir: bool) -> Response:
    """Studies, series and instances that somebody chose as a ZIP, with a DICOMDIR if wanted. Audited."""
    refuse_files(desk, principal)
    contents = await contents_of(desk.database, uids, all_revisions=False)
    files, directory = named(contents), b""
    _require_place()
    if dicomdir:
        with _place():
            files, directory = await asyncio.to_thread(as_file_set, desk.runtime.objects, contents)
    await looked(desk.database, principal.actor, "studies.download", [each.sop_instance_uid for each in contents])
    name = f"{uid_of(uids[0])}.zip" if len(uids) == 1 else "chosen.zip"
    return _sent(zipped(desk.runtime.objects, files, directory), "application/zip", name, {})


async def require_files(desk: Desk, principal: Principal, uids: Sequence[str]) -> None:
    """Raises what ``chosen_zip`` would, but for what the files themselves hold."""
    refuse_files(desk, principal)
    named(await contents_of(desk.database, uids, all_revisions=False))
    _require_place()


def _require_place() -> None:
    if len(_under_way) >= AT_ONCE:
        raise Unavailable(f"{AT_ONCE} downloads are under way: try again when one of them has ended")


def _sent(chunks: Iterator[bytes], media_type: str, name: str, headers: dict[str, str]) -> Response:
    named_so = headers | {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_counted(chunks), media_type=media_type, headers=named_so)


async def _counted(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    with _place():
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk


@contextmanager
def _place() -> Iterator[None]:
    place = object()
    _under_way.add(place)
    try:
        yield
    finally:
        _under_way.discard(place)
