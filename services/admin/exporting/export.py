"""The use case *export*."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.admin.changes import audit
from services.admin.exporting.contents import StoredContent, contents_of
from services.admin.exporting.files import file_of
from services.admin.exporting.targets import Target, target
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError
from services.runtime.objects import ObjectStore


async def export(
    database: Database, objects: ObjectStore, actor: str, uids: Sequence[str], to: Path, *, all_revisions: bool,
    dicomdir: bool,
) -> dict[str, Any]:  # fmt: skip
    """Write studies, series or instances into a new folder or ZIP, with a DICOMDIR if wanted; what was written.

    ``to`` is absolute. All or nothing: what fails leaves nothing behind. The audit has it before anybody can read it.
    Raises ``NotFound``, ``Refused``, ``UsageError``, ``StoreFailed``, ``Unavailable``.
    """
    if dicomdir and all_revisions:
        raise UsageError("--dicomdir with --all-revisions: a file-set has one file for each instance; leave one out")
    contents = await contents_of(database, uids, all_revisions=all_revisions)
    written = {
        "instances": len({content.sop_instance_uid for content in contents}),
        "files": len(contents),
        "bytes": sum(content.size for content in contents),
        "to": str(to),
        "dicomdir": dicomdir,
    }
    with target(to) as made:
        await asyncio.to_thread(_write, made, objects, contents, all_revisions=all_revisions, dicomdir=dicomdir)
        await database.retry(lambda conn: _audit(conn, actor, uids, written))
        await asyncio.to_thread(made.publish)
    return written


async def _audit(conn: Connection, actor: str, uids: Sequence[str], written: dict[str, Any]) -> None:
    what = uids[0] if len(uids) == 1 else f"{uids[0]} and {len(uids) - 1} more"
    await audit(conn, actor, "studies.export", what, None, {"uids": list(uids), **written})


def _write(
    made: Target, objects: ObjectStore, contents: Sequence[StoredContent], *, all_revisions: bool, dicomdir: bool
) -> None:
    """Blocks: run it in a thread."""
    if dicomdir:
        # Imported here: pydicom's file-sets are slow to load, and few exports want one.
        from services.admin.exporting.file_set import file_set

        with file_set(objects, contents) as (directory, names):
            for content in contents:
                made.write(names[content.sop_instance_uid], file_of(objects, content))
            made.write("DICOMDIR", [directory])
        return
    for content in contents:
        made.write(content.path(with_revision=all_revisions), file_of(objects, content))
