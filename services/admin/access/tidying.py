"""What is forgotten once it is good for nothing: old sessions, failures to log in, answers to actions."""

from typing import Final

import structlog

from services.admin import repeated
from services.admin.access import sessions, throttling
from services.admin.access.accounts import QUERIES
from services.admin.access.sessions import Lifetime
from services.runtime.app import Runtime
from services.runtime.db import Connection, Database
from services.runtime.errors import GatewayError

EVERY_SECONDS: Final = 3600.0
log = structlog.get_logger(__name__)


async def tidying(runtime: Runtime, lifetime: Lifetime) -> None:
    """Forget once an hour until the process stops; a supervised task."""
    stopping = False
    while not stopping:
        try:
            await tidy(runtime.db, lifetime)
        except GatewayError as error:
            log.warning("old_sessions_not_forgotten", reason=str(error))
        stopping = await runtime.supervisor.pause(EVERY_SECONDS)


async def tidy(database: Database, lifetime: Lifetime) -> None:
    """Forget now."""
    await sessions.forget(database, lifetime)

    async def work(conn: Connection) -> None:
        await conn.execute(QUERIES.delete_old_failures, {"window": throttling.WINDOW_SECONDS})

    await database.retry(work)
    await repeated.forget_old(database)
