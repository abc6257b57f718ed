"""The database's rows: out of one snapshot by COPY, and back into an empty schema of the same version.

No program of PostgreSQL's is needed, on the machine or in the image.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from psycopg import AsyncCopy, IsolationLevel, sql

from services.admin.backup.connection import QUERIES
from services.admin.backup.manifest import LEFT_OUT, SCHEMAS, Manifest, SavedSequence, SavedTable, table_key
from services.admin.backup.repository import CHUNK_BYTES, Repository
from services.runtime.db import Connection
from services.runtime.schema import applied

OURS = {"schemas": list(SCHEMAS)}


class Saved(NamedTuple):
    """What was written of the database; ``at`` is its time of the snapshot."""

    name: str
    at: datetime
    schema_version: int
    tables: list[SavedTable]
    sequences: list[SavedSequence]


async def save_tables(connection: Connection, repository: Repository) -> Saved:
    """Write every table as it is in one snapshot, under a name that is the snapshot's time."""
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    async with connection.transaction():
        at: datetime = (await _rows(connection, "snapshot_time"))[0]["at"]
        name = f"{at:%Y%m%dt%H%M%S.%fz}"
        await asyncio.to_thread(repository.begin, name)
        months: dict[str, list[str]] = defaultdict(list)
        for row in await _rows(connection, "month_partitions"):
            months[row["name"]].append(row["month"])
        found = [row for row in await _rows(connection, "tables") if row["name"] not in LEFT_OUT]
        tables = [
            await _save_table(connection, repository, name, row["name"], row["columns"], months[row["name"]])
            for row in found
        ]
        sequences = [SavedSequence(**row) for row in await _rows(connection, "sequences")]
        version, _ = await applied(connection)
    await connection.set_isolation_level(None)
    await connection.set_read_only(None)
    return Saved(name, at, version, tables, sequences)


async def load_tables(connection: Connection, repository: Repository, manifest: Manifest) -> None:
    """Fill the tables of a fresh schema of the manifest's version, each in a transaction of its own.

    Raises ``StoreFailed`` for a file that is damaged, ``RefusedData`` for rows that the schema refuses.
    """
    by_name = {table.name: table for table in manifest.tables}
    for table in manifest.tables:
        for month in table.months:
            await connection.execute(_partition(table.name, month))
    for name in await _order(connection, list(by_name)):
        await _load_table(connection, repository, manifest, by_name[name])
        await connection.execute(sql.SQL("analyze {}").format(_identifier(name)))
    for sequence in manifest.sequences:
        await connection.execute(QUERIES.set_sequence, sequence.model_dump())


async def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return await (await connection.execute(getattr(QUERIES, query), OURS)).fetchall()


async def _save_table(
    connection: Connection, repository: Repository, backup: str, table: str, columns: Sequence[str],
    months: Sequence[str],
) -> SavedTable:  # fmt: skip
    statement = sql.SQL("copy (select {} from {}) to stdout").format(_columns(columns), _identifier(table))
    digest, rows = hashlib.sha256(), 0
    with repository.packing(table_key(backup, table)) as file:
        async with connection.cursor().copy(statement) as copy:
            async for text in _chunks(copy):
                digest.update(text)
                rows += text.count(b"\n")  # a line end within a value is written as \n
                await asyncio.to_thread(file.write, text)
    return SavedTable(name=table, columns=list(columns), rows=rows, sha256=digest.hexdigest(), months=list(months))


async def _chunks(copy: AsyncCopy) -> AsyncIterator[bytes]:
    """What COPY says, which comes row by row, in larger parts."""
    gathered = bytearray()
    async for row in copy:
        gathered += row
        if len(gathered) >= CHUNK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


async def _load_table(connection: Connection, repository: Repository, manifest: Manifest, table: SavedTable) -> None:
    """Its triggers sleep: what they would write is in the backup. Rows that migrations put into it make room."""
    identifier, key, digest = _identifier(table.name), table_key(manifest.name, table.name), hashlib.sha256()
    statement = sql.SQL("copy {} ({}) from stdin").format(identifier, _columns(table.columns))
    async with connection.transaction():
        await connection.execute(sql.SQL("alter table {} disable trigger user").format(identifier))
        await connection.execute(sql.SQL("truncate {} cascade").format(identifier))
        with repository.unpacking(manifest.name, key) as file:
            async with connection.cursor().copy(statement) as copy:
                while block := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    digest.update(block)
                    await copy.write(block)
        await connection.execute(sql.SQL("alter table {} enable trigger user").format(identifier))
        if digest.hexdigest() != table.sha256:
            raise repository.damaged(manifest.name, key)


async def _order(connection: Connection, tables: Sequence[str]) -> list[str]:
    """What is referred to comes before what refers to it."""
    sorter: TopologicalSorter[str] = TopologicalSorter({name: set[str]() for name in tables})
    for row in await _rows(connection, "references"):
        sorter.add(str(row["name"]), str(row["after"]))
    return [name for name in sorter.static_order() if name in set(tables)]


def _partition(table: str, month: str) -> sql.Composed:
    year, number = int(month[:4]), int(month[4:])
    until = f"{year + number // 12:04}-{number % 12 + 1:02}-01 00:00:00+00"
    return sql.SQL("create table if not exists {} partition of {} for values from ({}) to ({})").format(
        _identifier(f"{table}_{month}"), _identifier(table), f"{year:04}-{number:02}-01 00:00:00+00", until
    )


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _columns(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
