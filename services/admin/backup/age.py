"""How old the last backup is."""

from services.admin.backup.connection import QUERIES
from services.runtime.db import Database


async def backup_age(database: Database, *, expected: bool) -> float:
    """Seconds since the last backup was made whole, by the database's clock; if there was none, since the installation
    where backups are ``expected``, else 0."""
    async with database.transaction() as connection:
        row = await (await connection.execute(QUERIES.backup_age, {"expected": expected})).fetchone()
    return float(row["seconds"]) if row else 0.0
