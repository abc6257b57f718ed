"""The use case *back up*.

The order is what makes it consistent with running services. First deletions are held off, then the database is read in
one snapshot, then the objects are copied: whatever the snapshot names is still there, and what was answered 0000 before
the snapshot without a row in it is an object, which the sweep records after a restore. The manifest is written last.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from services.admin.backup.connection import QUERIES, connected
from services.admin.backup.forgetting import forget
from services.admin.backup.manifest import TOPS, Manifest, list_key, manifest_key
from services.admin.backup.object_copies import Copied, Saving
from services.admin.backup.object_lists import ByFolder, ListWriter, missing_from, read_list
from services.admin.backup.repository import Repository
from services.admin.backup.tables import Saved, save_tables
from services.admin.changes import audit
from services.admin.errors import Refused
from services.runtime.db import Connection
from services.runtime.objects import ObjectStore
from services.runtime.schema import check_schema
from services.runtime.settings import RuntimeSettings

APPLICATION = "gateway-cli"
BATCH = 256
MOST_NAMED = 20
ROWS_AT_ONCE = 5000
CLOCKS_APART = timedelta(minutes=1)
"""Receipts carry ingest's time; more than that it never is from the database's."""


@dataclass
class Objects:
    """What was done with the objects. ``damaged``: keys of those that the source has not got as they were."""

    count: int = 0
    bytes: int = 0
    new: int = 0
    new_bytes: int = 0
    damaged: list[str] = field(default_factory=list)

    def add(self, copied: Copied) -> None:
        """Count one."""
        if copied.damaged:
            self.damaged.append(copied.key)
        if copied.listed is not None:
            self.count, self.bytes = self.count + 1, self.bytes + copied.size
        if copied.new:
            self.new, self.new_bytes = self.new + 1, self.new_bytes + copied.size


async def back_up(
    settings: RuntimeSettings,
    objects: ObjectStore,
    repository: Repository,
    actor: str,
    version: str,
    *,
    keep: int | None,
    check: bool,
) -> dict[str, Any]:
    """Make one more backup in the repository; what it holds. With ``keep`` only so many are left there afterwards;
    with ``check`` what is there already is read again, and so is the object store.

    Nothing of it counts before its manifest is written, and what was copied until then is not copied again.
    Raises ``Refused``, ``StoreFailed``, ``StoreFull``, ``Unavailable``.
    """
    url = settings.database_of(["backup"])
    async with connected(url, APPLICATION) as held, connected(url, APPLICATION) as at:
        await check_schema(at)
        await _hold_off_deletions(held)
        async with at.transaction():
            await audit(at, actor, "backup.make", repository.place, None, None)
        saved = await save_tables(at, repository)
        copied, list_sha256 = await _save_objects(objects, repository, saved.name, check=check)
        manifest = _manifest(settings, saved, copied, list_sha256, version)
        missing = await _missing(at, repository, manifest, saved.at)
        await held.execute(QUERIES.snapshot_time)  # raises if deletions were not held off until now
        document = manifest.model_dump_json(indent=1).encode()
        await asyncio.to_thread(repository.objects.put_bytes, manifest_key(saved.name), document)
        result = _result(manifest, copied, missing)
        async with at.transaction():
            told = {name: result[name] for name in ("backup", "objects", "incomplete")}
            await audit(at, actor, "backup.made", repository.place, None, told)
        forgotten = await asyncio.to_thread(forget, repository, keep) if keep else []
    return result | {"forgotten": forgotten}


def _result(manifest: Manifest, copied: Objects, missing: list[str]) -> dict[str, Any]:
    return {
        "backup": manifest.name,
        "made_at": manifest.made_at,
        "schema_version": manifest.schema_version,
        "rows": sum(table.rows for table in manifest.tables),
        "objects": manifest.objects,
        "bytes": manifest.bytes,
        "copied": copied.new,
        "copied_bytes": copied.new_bytes,
        "damaged": copied.damaged[:MOST_NAMED],
        "missing": missing[:MOST_NAMED],
        "incomplete": len(copied.damaged) + len(missing),
    }


async def _hold_off_deletions(connection: Connection) -> None:
    await connection.execute(QUERIES.wait_briefly)  # storage looks for an instant, another backup holds it long
    try:
        await connection.execute(QUERIES.hold_off_deletions)
    except psycopg.errors.LockNotAvailable:
        raise Refused("another backup of this database is being made: wait until it has ended") from None


async def _save_objects(objects: ObjectStore, repository: Repository, name: str, *, check: bool) -> tuple[Objects, str]:
    """Copy what the repository lacks and list what there is; the list's hash."""
    names = await asyncio.to_thread(repository.names)
    previous = ByFolder(read_list(repository, repository.manifest(names[-1])) if names else ())
    counted = Objects()
    with repository.packing(list_key(name)) as file:
        lines = ListWriter(file)
        for top in TOPS:
            for folder in await asyncio.to_thread(lambda top=top: [each.name for each in objects.folders(top)]):  # type: ignore[misc]
                known = await asyncio.to_thread(previous.of, folder)
                async for done in _save_folder(objects, repository, folder, known, check=check):
                    lines.write(each.listed for each in done if each.listed)
                    for each in done:
                        counted.add(each)
        return counted, lines.sha256()


async def _save_folder(
    objects: ObjectStore, repository: Repository, folder: str, known: dict[str, str], *, check: bool
) -> AsyncIterator[list[Copied]]:
    wanted = await asyncio.to_thread(lambda: list(objects.list(folder)))
    there = await asyncio.to_thread(lambda: {found.key: found.size for found in repository.objects.list(folder)})
    saving = Saving(objects, repository.objects, there, known, check)
    for start in range(0, len(wanted), BATCH):
        yield await asyncio.to_thread(saving.save, wanted[start : start + BATCH])


def _manifest(settings: RuntimeSettings, saved: Saved, copied: Objects, list_sha256: str, version: str) -> Manifest:
    return Manifest(
        name=saved.name,
        made_at=saved.at,
        gateway=version,
        schema_version=saved.schema_version,
        aet=settings.aet,
        profile=settings.profile,
        tables=saved.tables,
        sequences=saved.sequences,
        objects=copied.count,
        bytes=copied.bytes,
        list_sha256=list_sha256,
    )


async def _missing(connection: Connection, repository: Repository, manifest: Manifest, at: datetime) -> list[str]:
    """Objects that the database has in its store and the backup has not."""
    listed = (one.key for one in read_list(repository, manifest))
    expected = stored_objects(connection, at - CLOCKS_APART)
    return [key async for key in missing_from(listed, expected)]


async def stored_objects(connection: Connection, before: datetime | None) -> AsyncIterator[str]:
    """Keys of the objects that contents received before then lie in, in their order; None: whenever received."""
    async with connection.transaction(), connection.cursor("stored_objects") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        await cursor.execute(QUERIES.stored_objects, {"before": before})
        async for row in cursor:
            yield row["object_key"]
