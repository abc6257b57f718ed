"""What the live rule set names, read without the rule language."""

from services.admin.sql import SQL
from services.runtime.db import Connection


async def rules_naming(conn: Connection, title: str) -> list[tuple[int, str]]:
    """Number of the live rule set and name of each of its rules that sends to a station, disabled rules too."""
    cursor = await conn.execute(SQL.live_rule_set)
    live = await cursor.fetchone()
    if live is None:
        return []
    rules = live["document"]["rules"]
    return [(live["number"], rule["name"]) for rule in rules if any(to["to"] == title for to in rule["send"])]
