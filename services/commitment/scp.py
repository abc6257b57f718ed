"""Commitment as the service class provider of profile gateway: what starts it. Profile xeleris has none (R108)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from schemas.commitment import REQUESTS
from schemas.topology import COMMITMENT_REPORT_SENT, COMMITMENT_REQUESTED
from services.commitment import metrics, sweep
from services.commitment.ground import Ground
from services.commitment.inbound import QUERIES, InboundRequests
from services.commitment.inbound_judging import Judge
from services.commitment.inbound_reporting import Reporter

JUDGES: Final = 2
"""So many requests are looked at at once, so that a large one does not hold up the others."""
MEASURE_SECONDS: Final = 15.0
GIVEN_UP: Final = "GIVEN UP"


@asynccontextmanager
async def committing(ground: Ground) -> AsyncIterator[None]:
    """Consume, sweep, judge and report until the block ends; then wait for the reports under way to end."""
    if ground.profile.xeleris:
        yield
        return
    reporter = Reporter(ground)
    await _start(ground, reporter)
    try:
        yield
    finally:
        ground.runtime.supervisor.stop()
        await reporter.drained()


async def _start(ground: Ground, reporter: Reporter) -> None:
    database, bus = ground.runtime.db, ground.runtime.bus
    requests = InboundRequests(database, ground.runtime.objects)
    metrics.INBOUND.labels(GIVEN_UP)  # counted from 0: Prometheus sees no increase in a series that begins with 1
    await bus.consume(COMMITMENT_REQUESTED, requests.requested, while_available=database)
    await bus.consume(COMMITMENT_REPORT_SENT, requests.report_sent, while_available=database)
    sweep.start(ground, sweep.Inbox(REQUESTS, QUERIES.unknown_keys, requests.record))
    await _start_loops(ground, reporter)
    ground.loops.spawn_every("commitment requests measure", MEASURE_SECONDS, requests.measure)


async def _start_loops(ground: Ground, reporter: Reporter) -> None:
    """Judge and report what is due: each poll interval, and at once when it is notified."""
    judge, poll = Judge(ground), ground.settings.poll_seconds
    for number in range(JUDGES):
        checking = await ground.runtime.db.listen("commitment_checking")
        ground.loops.spawn_on_wake(f"commitment judge {number + 1}", checking, poll, judge.run_due)
    ready = await ground.runtime.db.listen("commitment_ready")
    ground.loops.spawn_on_wake("commitment reports", ready, poll, reporter.run_due)
