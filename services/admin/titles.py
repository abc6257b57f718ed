"""Titles the gateway answers to besides its main one. Use cases: add, change, remove, list, show."""

from collections.abc import Callable, Mapping
from typing import Any

from services.admin.changes import Change, change
from services.admin.errors import NotFound, Refused
from services.admin.given_fields import changes_of
from services.admin.sql import SQL
from services.admin.station_rows import all_stations, title_of
from services.admin.title import OwnTitle, build, contradictions
from services.runtime.db import Connection, Database

Judge = Callable[[OwnTitle], None]


async def add(database: Database, actor: str, title: OwnTitle, profile: str) -> OwnTitle:
    """Answer to a title. Raises ``Refused`` if it is there already, names unknown stations, or in profile xeleris."""

    async def work(opened: Change) -> OwnTitle:
        if title.title in await all_titles(opened.conn):
            raise Refused(f"title {title.title} is already defined; change it with 'gateway title set'")
        await _put(opened, title, profile)
        await opened.record("title.add", title.title, None, title.model_dump())
        return title

    return await change(database, actor, work)


async def set_fields(
    database: Database, actor: str, title: str, fields: Mapping[str, Any], profile: str, judge: Judge = lambda _: None
) -> OwnTitle:
    """Change what is given of a title; ``judge`` is given what it was, and may raise.

    Raises ``NotFound``, ``Refused``.
    """
    wanted = title_of(title)

    async def work(opened: Change) -> OwnTitle:
        before = _found(await all_titles(opened.conn), wanted)
        judge(before)
        after = build(before.model_dump() | changes_of("title", wanted, fields))
        await _put(opened, after, profile)
        await opened.record("title.set", wanted, before.model_dump(), after.model_dump())
        return after

    return await change(database, actor, work)


async def remove(database: Database, actor: str, title: str, judge: Judge = lambda _: None) -> None:
    """Answer to a title no longer; ``judge`` as in ``set_fields``. Raises ``NotFound``."""
    wanted = title_of(title)

    async def work(opened: Change) -> None:
        before = _found(await all_titles(opened.conn), wanted)
        judge(before)
        await opened.conn.execute(SQL.delete_title, {"title": wanted})
        await opened.record("title.remove", wanted, before.model_dump(), None)

    await change(database, actor, work)


async def list_all(database: Database) -> list[OwnTitle]:
    """Every title that was defined, in order."""
    async with database.transaction() as conn:
        return list((await all_titles(conn)).values())


async def show(database: Database, title: str) -> OwnTitle:
    """One title. Raises ``NotFound``."""
    async with database.transaction() as conn:
        return _found(await all_titles(conn), title_of(title))


async def all_titles(conn: Connection) -> dict[str, OwnTitle]:
    """Every title by its name."""
    cursor = await conn.execute(SQL.list_titles)
    return {row["title"]: OwnTitle.model_validate(row) for row in await cursor.fetchall()}


async def _put(opened: Change, title: OwnTitle, profile: str) -> None:
    if reasons := contradictions(title, await all_stations(opened.conn), profile):
        raise Refused("\n".join(reasons))
    await opened.conn.execute(SQL.put_title, title.model_dump())


def _found(known: Mapping[str, OwnTitle], title: str) -> OwnTitle:
    if title not in known:
        raise NotFound(f"title {title} is not defined; 'gateway title list' shows those that are")
    return known[title]
