"""Having a station send what it has: to us, or to any station (R63, R69)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.admin.errors import NotFound
from services.admin.querying import refuse_source
from services.admin.requests import Requested, carried_out, insert, wanted_of
from services.admin.station_rows import all_stations, found, title_of
from services.admin.titles import all_titles
from services.admin.uids import uid_of
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError


@dataclass(frozen=True)
class Wish:
    """What to retrieve: ``uids`` of the level, and the study and series they are of below the level STUDY."""

    uids: Sequence[str]
    level: Literal["STUDY", "SERIES", "IMAGE"] = "STUDY"
    study: str = ""
    series: str = ""


async def retrieve(database: Database, actor: str, aet: str, source: str, destination: str, wish: Wish) -> Requested:
    """Make a retrieve job: a C-MOVE for each UID, from the station ``source`` to the title ``destination``.

    Raises ``NotFound`` for a title nobody has; ``Refused`` if the source may not be asked (R52); ``UsageError`` for
    what is no UID, or a level without the UIDs above it, which a source that is not relational needs.
    """
    body = _body(wish)

    async def work(conn: Connection) -> UUID:
        known = await all_stations(conn)
        asked = found(known, title_of(source))
        refuse_source(asked)
        to = title_of(destination)
        ours = {aet, *(await all_titles(conn))}
        if to not in ours and to not in known:
            raise NotFound(
                f"station {to} does not exist, and it is no title of ours ({', '.join(sorted(ours))}); "
                "'gateway station list' shows the stations"
            )
        whom = {"from": asked.title, "to": to, "to_us": to in ours}
        return await insert(conn, actor, "retrieve", whom | body)

    return await carried_out(database, await database.retry(work))


def _body(wish: Wish) -> dict[str, object]:
    above = {"STUDY": (), "SERIES": ("study",), "IMAGE": ("study", "series")}[wish.level]
    for name in ("study", "series"):
        value = getattr(wish, name)
        if name in above and not value:
            raise UsageError(f"level {wish.level} needs --{name}-uid: a source finds nothing without it (R148)")
        if name not in above and value:
            raise UsageError(f"--{name}-uid {value}: level {wish.level} takes none; give it as UID, or a lower --level")
    upper = {name: uid_of(getattr(wish, name)) if name in above else "" for name in ("study", "series")}
    return {"level": wish.level, "uids": wanted_of(wish.uids), **upper}
