"""Month partitions: made ahead, and dropped after the life their owner states."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.schema import QUERIES

if TYPE_CHECKING:
    from services.runtime.app import Runtime

DAY_SECONDS = 86_400.0
RETRY_SECONDS = 60.0

log = structlog.get_logger(__name__)


async def maintain(runtime: "Runtime", schema: str, keep_months: Mapping[str, int] | None = None) -> None:
    """Daily until the process stops; a supervised task of the schema's owner.

    ``keep_months`` gives tables whose partitions are dropped when older than so many whole months.
    """
    while True:
        try:
            await maintain_once(runtime.db, schema, keep_months or {})
            pause = DAY_SECONDS
        except GatewayError as error:
            log.warning("partitions_not_maintained", schema=schema, reason=str(error))
            pause = RETRY_SECONDS
        if await runtime.supervisor.pause(pause):
            return


async def maintain_once(db: Database, schema: str, keep_months: Mapping[str, int]) -> None:
    """Make the coming partitions of a schema's tables and drop the old ones."""
    async with db.transaction() as connection:
        for row in await (await connection.execute(QUERIES.ensure_partitions, {"schema": schema})).fetchall():
            if row["made"]:
                log.info("partitions_made", table=row["table"], count=row["made"])
    for table, months in keep_months.items():
        await _drop_old(db, schema, table, months)


async def _drop_old(db: Database, schema: str, table: str, months: int) -> None:
    async with db.transaction() as connection:
        parameters = {"schema": schema, "table": table, "months": months}
        for row in await (await connection.execute(QUERIES.drop_partitions, parameters)).fetchall():
            log.info("partition_dropped", partition=row["partition"])
