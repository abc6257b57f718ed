"""The use case *restore*: objects first, each checked by its hash, then the database, then its migrations.

The versions of the schema are written last. Until then no service works with the database, and a restore that was
broken off is begun anew.
"""

import asyncio
from itertools import groupby
from typing import Any

from psycopg import sql

from services.admin.backup.connection import QUERIES, connected
from services.admin.backup.making import BATCH, MOST_NAMED, Objects, stored_objects
from services.admin.backup.manifest import TOPS, Manifest, refuse_newer_schema
from services.admin.backup.object_copies import bring_back
from services.admin.backup.object_lists import missing_from, read_list
from services.admin.backup.repository import Repository
from services.admin.backup.tables import OURS, load_tables
from services.admin.changes import audit
from services.admin.errors import Refused
from services.runtime.db import Connection
from services.runtime.migrate import Migration, migrate, migrations
from services.runtime.objects import ObjectStore
from services.runtime.schema import QUERIES as VERSIONS
from services.runtime.settings import RuntimeSettings

APPLICATION = "gateway-restore"


async def restore(
    settings: RuntimeSettings, objects: ObjectStore, repository: Repository, actor: str, name: str | None, *,
    keep_objects: bool,
) -> dict[str, Any]:  # fmt: skip
    """Bring a backup (the newest without a name) back into an unused database and an empty object store.

    ``keep_objects``: the store may hold objects; those of the backup are checked, the others left to the sweep.
    Raises ``NotFound``, ``Refused``, ``StoreFailed``, ``StoreFull``, ``Unavailable``.
    """
    manifest = await asyncio.to_thread(repository.manifest, name)
    refuse_newer_schema(manifest)
    async with connected(settings.database_url, APPLICATION) as connection:
        await _refuse_used(connection)
        if not keep_objects:
            await asyncio.to_thread(_refuse_objects, objects, settings.objects_url)
        brought = await _bring_objects(objects, repository, manifest)
        await connection.execute(VERSIONS.lock)  # who migrates waits
        await _refuse_used(connection)
        made = await _make_schema(connection, manifest.schema_version)
        await load_tables(connection, repository, manifest)
        damaged = frozenset(brought.damaged)
        listed = (one.key for one in read_list(repository, manifest) if one.key not in damaged)
        missing = [key async for key in missing_from(listed, stored_objects(connection, None))]
        await _write_versions(connection, made)
    applied = await migrate(settings.database_url)
    result = {
        "backup": manifest.name,
        "made_at": manifest.made_at,
        "schema_version": manifest.schema_version,
        "applied": applied,
        "rows": sum(table.rows for table in manifest.tables),
        "objects": brought.count,
        "copied": brought.new,
        "damaged": brought.damaged[:MOST_NAMED],
        "missing": missing[:MOST_NAMED],
        "incomplete": len({*brought.damaged, *missing}),
    }
    async with connected(settings.database_url, APPLICATION) as connection, connection.transaction():
        told = {"backup": manifest.name, "objects": brought.count, "incomplete": result["incomplete"]}
        await audit(connection, actor, "backup.restore", repository.place, None, told)
    return result | {"differs": _differences(manifest, settings)}


async def _refuse_used(connection: Connection) -> None:
    """Raises ``Refused`` for a database that a gateway works with, or has worked with."""
    working = [name for name in await _names(connection, "connected") if name != APPLICATION]
    if working:
        raise Refused(f"a gateway works with this database ({', '.join(working)}): stop it first")
    present = await _names(connection, "present_schemas")
    if present and await _holds_data(connection):
        raise Refused(
            f"the database is not empty: its schemas {', '.join(present)} hold data. Make a new one (create "
            "database …) and name it with GATEWAY_DATABASE_URL"
        )


async def _holds_data(connection: Connection) -> bool:
    """False for what was only migrated, and for what a restore left that was broken off."""
    found = await (await connection.execute(VERSIONS.version_table)).fetchone()
    if found is None or found["version_table"] is None:
        return True  # schemas of our names, and not ours
    return await _yes(connection, "has_versions") and await _yes(connection, "is_used")


def _refuse_objects(objects: ObjectStore, url: str) -> None:
    for top in TOPS:
        for folder in objects.folders(top):
            if any(True for _ in objects.list(folder.name)):
                raise Refused(
                    f"the object store {url} is not empty ({folder.name}): name an empty one with "
                    "GATEWAY_OBJECTS_URL, or say --keep-objects to check what is there and bring back what is missing"
                )


async def _bring_objects(objects: ObjectStore, repository: Repository, manifest: Manifest) -> Objects:
    counted = Objects()
    for folder, group in groupby(read_list(repository, manifest), key=lambda one: one.folder):
        listed = list(group)
        there = await asyncio.to_thread(lambda name=folder: frozenset(each.key for each in objects.list(name)))  # type: ignore[misc]
        for start in range(0, len(listed), BATCH):
            batch = listed[start : start + BATCH]
            for done in await asyncio.to_thread(bring_back, repository.objects, objects, there, batch):
                counted.add(done)
    return counted


async def _make_schema(connection: Connection, version: int) -> list[Migration]:
    """The schema as it was in the backup, in place of an unused one, without its versions; the migrations it took."""
    for name in await _names(connection, "present_schemas"):
        await connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(name)))
    made = migrations()[:version]
    for migration in made:
        async with connection.transaction():
            await connection.execute(migration.sql)
    return made


async def _write_versions(connection: Connection, made: list[Migration]) -> None:
    async with connection.transaction():
        for each in made:
            row = {"number": each.number, "name": each.name, "oldest_code": each.oldest_code}
            await connection.execute(VERSIONS.insert_version, row)


def _differences(manifest: Manifest, settings: RuntimeSettings) -> list[str]:
    """Settings that were others when the backup was made (pure)."""
    found = {"GATEWAY_AET": (manifest.aet, settings.aet), "GATEWAY_PROFILE": (manifest.profile, settings.profile)}
    return [f"{name} was {then}, here it is {now}" for name, (then, now) in found.items() if then != now]


async def _names(connection: Connection, query: str) -> list[str]:
    rows = await (await connection.execute(getattr(QUERIES, query), OURS)).fetchall()
    return [str(row["name"]) for row in rows]


async def _yes(connection: Connection, query: str) -> bool:
    row = await (await connection.execute(getattr(QUERIES, query))).fetchone()
    return row is not None and bool(row["yes"])
