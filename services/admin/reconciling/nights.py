"""Every night the stations that say so are compared with what they were sent, and sent again what they have not got.

A night of a station is a row, so it is done once however many processes there are; one that dies is taken over.
"""

from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from services.admin import metrics
from services.admin.reconciling.reconcile import LEASE_SECONDS, QUERIES, Overtaken, Run, carry_out
from services.admin.settings import AdminSettings
from services.dicom.profile import Profile
from services.runtime.app import Runtime
from services.runtime.db import Database
from services.runtime.errors import GatewayError

ACTOR: Final = "reconcile"
"""Who asks for what is sent again, in the audit."""
LOOK_SECONDS: Final = 60.0
CATCH_UP: Final = timedelta(hours=6)
"""After which a night that was missed is left to the next one."""
FIRST: Final = timedelta(hours=25)
FURTHEST: Final = timedelta(days=8)
"""How far the first night of a station reaches back, and one after nights that were missed."""
SETTLE: Final = timedelta(minutes=10)
"""What was delivered just now may not be in the archive's index yet."""

log = structlog.get_logger(__name__)


async def nightly(runtime: Runtime, settings: AdminSettings, profile: Profile) -> None:
    """Work until the process stops; a supervised task."""
    while not await runtime.supervisor.pause(LOOK_SECONDS):
        if not runtime.db.available:
            continue
        try:
            while await one_night(runtime.db, settings, profile, runtime.settings.aet):
                pass
            await _measure(runtime.db)
        except GatewayError as error:
            log.warning("reconciliation_postponed", reason=str(error))


async def one_night(database: Database, settings: AdminSettings, profile: Profile, calling_aet: str) -> bool:
    """Compare one station whose night it is; False when there is none. A failure is written down and tried again."""
    run = await _claim(database, settings)
    if run is None:
        return False
    try:
        found = await carry_out(database, profile, calling_aet, ACTOR, run, "instance", resend=True)
    except Overtaken as error:
        log.warning("reconciliation_overtaken", station=run.title, reason=str(error))
    except GatewayError as error:
        log.warning("reconciliation_failed", station=run.title, reason=str(error))
    else:
        counts = {name: found[name] for name in ("studies", "instances", "missing", "sent_again")}
        log.info("reconciled", station=run.title, **counts)
    return True


async def _claim(database: Database, settings: AdminSettings) -> Run | None:
    parameters = {
        "at": timedelta(hours=settings.reconcile_at.hour, minutes=settings.reconcile_at.minute),
        "catch_up": CATCH_UP,
        "first": FIRST,
        "furthest": FURTHEST,
        "settle": SETTLE,
        "lease": LEASE_SECONDS,
        "holder": str(uuid4()),
        "actor": ACTOR,
    }
    async with database.transaction() as conn:
        row = await (await conn.execute(QUERIES.claim_night, parameters)).fetchone()
    return None if row is None else Run(holder=str(parameters["holder"]), **row)


async def _measure(database: Database) -> None:
    async with database.transaction() as conn:
        rows = await (await conn.execute(QUERIES.last_nights)).fetchall()
    for row in rows:
        metrics.RECONCILE_MISSING.labels(row["title"]).set(row["missing"])
        metrics.RECONCILE_FAILING.labels(row["title"]).set(row["failing"])
