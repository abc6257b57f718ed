"""The state of the gateway as metrics, read from the database now and then."""

import structlog

from services.admin import jobs, metrics, overview, volumes
from services.admin.backup.age import backup_age
from services.runtime.app import Runtime
from services.runtime.errors import GatewayError

log = structlog.get_logger(__name__)


async def observe(runtime: Runtime, seconds: float, *, backups: bool) -> None:
    """Read every ``seconds`` until the process stops; a supervised task. While the database is away nothing changes.

    ``backups``: whether they are expected.
    """
    stopping = False
    while not stopping:
        for volume, space in volumes.free_space(runtime.settings.home).items():
            metrics.VOLUME_FREE.labels(volume).set(space.free or 0)
            metrics.VOLUME_SIZE.labels(volume).set(space.total or 0)
        try:
            await _observe_once(runtime, backups=backups)
        except GatewayError as error:
            log.warning("overview_not_read", reason=str(error))
        stopping = await runtime.supervisor.pause(seconds)


async def _observe_once(runtime: Runtime, *, backups: bool) -> None:
    found = await overview.status(runtime.db)
    metrics.STATIONS.set(found["configuration"]["stations"])
    metrics.LIVE_RULE_SET.set(found["configuration"]["rule_set"])
    metrics.CONFIGURATION.set(found["configuration"]["number"])
    metrics.DEAD_LETTERS.set(found["dead_letters"])
    metrics.BACKUP_AGE.set(await backup_age(runtime.db, expected=backups))
    for state in jobs.STATES:
        metrics.JOBS.labels(state).set(found["jobs"].get(state, 0))
