"""How old the last backup is."""

from services.admin.backup.connection import QUERIES
from services.runtime.db import Database


async def backup_age(database: Database) -> float:
    """Seconds since the last backup was made whole, by the database's clock; 0 if there was none."""
    async with database.transaction() as connection:
        row = await (await connection.execute(QUERIES.backup_age)).fetchone()
    return float(row["seconds"]) if row else 0.0
