"""Commitment as SCU: collecting, asking, the clocks and what people ask for, as parts of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.topology import COMMITMENT_INSTANCE_DELIVERED, COMMITMENT_REQUEST
from services.commitment.again import Again
from services.commitment.asking import Asking, limits_of
from services.commitment.carry_out import Requests
from services.commitment.clocks import Clocks
from services.commitment.collecting import Collector
from services.commitment.ground import Ground
from services.runtime import reconcile

CLOCK_SECONDS = 1.0
FOLLOW_SECONDS = 5.0
MEASURE_SECONDS = 15.0
DRAIN_MARGIN_SECONDS = 5.0  # of the process's drain time: for what was aborted to be recorded


@asynccontextmanager
async def asking(ground: Ground) -> AsyncIterator[None]:
    """Run all parts until the block ends; then wait for associations to end. Raises ``UsageError``."""
    runtime, settings = ground.runtime, ground.settings.fit(ground.profile)
    wake = await runtime.db.listen("commitment_work")
    asker = Asking(ground, wake)
    _spawn_clocks(ground)
    ground.loops.spawn_on_wake("commitment asking", wake, settings.poll_seconds, asker.attend)
    await _consume(ground)
    try:
        yield
    finally:
        runtime.supervisor.stop()
        await asker.drained(max(0.0, runtime.settings.drain_seconds - DRAIN_MARGIN_SECONDS))


def _spawn_clocks(ground: Ground) -> None:
    database, settings = ground.runtime.db, ground.settings
    clocks = Clocks(database, ground.stations, settings, ground.profile, limits_of(settings, None))
    loops = ground.loops
    for name, seconds, step in (
        ("deadlines", CLOCK_SECONDS, clocks.expire_deadlines),
        ("leases", CLOCK_SECONDS, clocks.expire_leases),
        ("give up", CLOCK_SECONDS, clocks.give_up),
        ("release", CLOCK_SECONDS, Collector(database, ground.stations, settings).release),
        ("follow", FOLLOW_SECONDS, Again(database, settings).follow),
        ("measure", MEASURE_SECONDS, clocks.measure),
    ):
        loops.spawn_every(f"commitment {name}", seconds, step)


async def _consume(ground: Ground) -> None:
    """Subscribe, and reconcile what no message brings."""
    runtime, settings = ground.runtime, ground.settings
    collector = Collector(runtime.db, ground.stations, settings)
    people = Requests(runtime.db, ground.stations, ground.profile)

    def broker_away() -> bool:
        return not runtime.bus.available

    async def run_reconcile() -> int:
        done = await people.reconcile()
        return done + await collector.reconcile(age_seconds=0 if broker_away() else settings.reconcile_age_seconds)

    bus, database = runtime.bus, runtime.db
    await bus.consume(
        COMMITMENT_INSTANCE_DELIVERED, collector.delivered, batch=settings.batch, while_available=database
    )
    await bus.consume(COMMITMENT_REQUEST, people.requested, while_available=database)
    reconcile.every(runtime, "commitment", settings.reconcile_seconds, run_reconcile, broker_away)
