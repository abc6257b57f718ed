"""Erasing what is stored of a patient: the contents that an erasure of admin names, and their header facts.

Which they are, and whether they may go, admin has decided; here they go by the steps of every deletion
(docs/decisions/0041).
"""

from typing import Any, Final

from psycopg.rows import DictRow

from services.runtime.db import Connection, load_queries
from services.storage.deletion import hide, lock_contents

QUERIES = load_queries(__package__, "erasure.sql")
AT_ONCE: Final = 5000


async def erase(connection: Connection, row: DictRow) -> dict[str, Any]:
    """Hide contents of the erasure and delete their facts, so many at a time; the deletion worker does the rest. Again
    goes on with what is left."""
    named = {"erasure": row["body"]["erasure"], "most": AT_ONCE}
    live = await (await connection.execute(QUERIES.select_live, named)).fetchall()
    wanted = {(each["sop_instance_uid"], each["revision"]) for each in live}
    locked = await lock_contents(connection, sorted({uid for uid, _ in wanted}))
    hidden = await hide(connection, [content for content in locked if content in wanted])
    facts = await connection.execute(QUERIES.delete_facts, named)
    orphaned = await connection.execute(QUERIES.delete_orphaned_facts, named)
    return {"instances": hidden, "facts": facts.rowcount + orphaned.rowcount}
