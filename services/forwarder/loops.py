"""The supervised loops of the forwarder: configuration, waking lanes, clocks."""

from services.dicom.outgoing import WANTED_CHANNEL
from services.forwarder.associations import Associations
from services.forwarder.commitments import Commitments
from services.forwarder.configuration import Configuration
from services.forwarder.counting import Counting
from services.forwarder.failover import Failover
from services.forwarder.handlers import Clocks
from services.forwarder.holds import Holds
from services.forwarder.jobs import CANCELED_CHANNEL
from services.forwarder.lanes import Lanes
from services.forwarder.probes import Probes
from services.forwarder.retrievals import Retrievals
from services.forwarder.settings import ForwarderSettings
from services.runtime.loops import Loops

RELEASE_SECONDS = 1.0
EXPIRE_SECONDS = 5.0
MEASURE_SECONDS = 15.0
GIVE_UP_SECONDS = 60.0
DELETED_SECONDS = 5.0
AWAITED_SECONDS = 3.0
COUNT_SECONDS = 2.0
FORGET_SECONDS = 3600.0
FAILOVER_SECONDS = 2.0
AGE_SECONDS = 15.0


async def spawn_loops(
    loops: Loops,
    configuration: Configuration,
    lanes: Lanes,
    probes: Probes,
    clocks: Clocks,
    commitments: Commitments,
    holds: Holds,
    failover: Failover,
    retrievals: Retrievals,
    associations: Associations,
    counting: Counting,
    settings: ForwarderSettings,
) -> None:
    """Start all loops as supervised tasks."""
    changed = await loops.database.listen("config_changed")
    work = await loops.database.listen("routing_work")
    wanted = await loops.database.listen(WANTED_CHANNEL)
    canceled = await loops.database.listen(CANCELED_CHANNEL)

    async def refresh() -> None:
        await configuration.refresh()
        lanes.adjust()
        await holds.keep()

    async def wake() -> None:
        await probes.attend()
        await lanes.ring_due()
        await retrievals.attend()

    async def attend() -> None:
        await lanes.give_way()
        await lanes.ring_due()

    poll = settings.poll_seconds
    loops.spawn_on_wake("forwarder configuration", changed, poll, refresh)
    loops.spawn_on_wake("forwarder wake", work, poll, wake)
    loops.spawn_on_wake("forwarder associations", wanted, poll, attend)
    loops.spawn_on_wake("forwarder cancels", canceled, poll, lanes.end_canceled)
    for name, seconds, step in (
        ("release", RELEASE_SECONDS, clocks.release),
        ("expire leases", EXPIRE_SECONDS, clocks.expire),
        ("measure", MEASURE_SECONDS, clocks.measure),
        ("give up", GIVE_UP_SECONDS, clocks.give_up),
        ("end what was deleted", DELETED_SECONDS, clocks.end_deleted),
        ("awaited commitments", AWAITED_SECONDS, commitments.awaited),
        ("age", AGE_SECONDS, clocks.age),
        ("counts", COUNT_SECONDS, counting.attend),
        ("forget counts", FORGET_SECONDS, counting.forget),
        ("forget associations", FORGET_SECONDS, associations.forget),
        ("failover", FAILOVER_SECONDS, failover.attend),
    ):
        loops.spawn_every(f"forwarder {name}", seconds, step)
