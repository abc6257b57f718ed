"""Reading and naming stations within a transaction, for every use case that needs them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.admin.errors import NotFound
from services.admin.sql import SQL
from services.admin.station import Station, valid_title
from services.runtime.db import Connection
from services.runtime.errors import UsageError


async def all_stations(conn: Connection) -> dict[str, Station]:
    """Every station by its title, in order of titles."""
    cursor = await conn.execute(SQL.list_stations)
    return {row["title"]: _station(row) for row in await cursor.fetchall()}


def _station(row: Mapping[str, Any]) -> Station:
    """What somebody wrote into the database past the checks is shown as it is, so that it can be mended or removed."""
    try:
        return Station.model_validate(row)
    except ValidationError:
        return Station.model_construct(**row)


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
