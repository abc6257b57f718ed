"""Reading and naming stations within a transaction, for every use case that needs them."""

from collections.abc import Mapping

from services.admin.errors import NotFound
from services.admin.sql import SQL
from services.admin.station import Station, valid_title
from services.runtime.db import Connection
from services.runtime.errors import UsageError


async def all_stations(conn: Connection) -> dict[str, Station]:
    """Every station by its title, in order of titles."""
    cursor = await conn.execute(SQL.list_stations)
    return {row["title"]: Station.model_validate(row) for row in await cursor.fetchall()}


def title_of(text: str) -> str:
    """The AE title a person wrote. Raises ``UsageError``."""
    try:
        return valid_title(text)
    except ValueError as fault:
        raise UsageError(f"AE title {text!r}: {fault}") from None


def found(known: Mapping[str, Station], title: str) -> Station:
    """The station of a title. Raises ``NotFound``."""
    if title not in known:
        raise NotFound(f"station {title} is not defined; 'gateway station list' shows the stations there are")
    return known[title]
