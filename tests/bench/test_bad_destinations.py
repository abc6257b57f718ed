"""What a dead and a slow destination cost the healthy ones: delay from receipt to delivery, alone and beside them."""

import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bench.conftest import Measured
from tests.bench.figures import Figure
from tests.e2e.test_one_bad_destination import unfinished
from tests.factories import Instance, small_instances
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import Accept, RawSender, Refuse, Slow, StationReceiver
from tests.waiting import until

HEALTHY, BAD = ("HEALTHY1", "HEALTHY2"), ("DEAD", "SLOW")
PAIRS, INSTANCES, EACH_SECONDS = 5, 100, 0.05


def rules(*titles: str) -> str:
    """Everything goes to these."""
    send = ", ".join(f"{{to: {title}}}" for title in titles)
    return f"version: 1\nrules:\n  - {{name: all, when: {{all: []}}, send: [{send}]}}\n"


def delays(gateway: RunningGateway, instances: Sequence[Instance], healthy: Sequence[StationReceiver]) -> list[float]:
    """Send at a steady pace; milliseconds from each 0000 to the receipt at each healthy station."""
    contexts = sorted({(each.sop_class_uid, each.transfer_syntax_uid) for each in instances})
    acknowledged: dict[str, float] = {}
    pace = threading.Event()
    with RawSender(gateway.dicom_port, calling_aet="SCANNER1", contexts=contexts) as sender:
        for each in instances:
            began = time.monotonic()
            answer = sender.store(each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid, each.data_set)
            acknowledged[each.sop_instance_uid] = time.monotonic()
            assert answer == 0
            pace.wait(max(0.0, began + EACH_SECONDS - time.monotonic()))
    for station in healthy:
        until(lambda got=station: set(got.uids) >= set(acknowledged), limit=60, what="the healthy to have all")
    return [(station.received_at(uid) - at) * 1000 for uid, at in acknowledged.items() for station in healthy]


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


@pytest.mark.bench("bad-destinations")
@pytest.mark.timeout(1200)
def test_bad_destinations(tmp_path: Path, fresh_servers: FreshServers, measured: Measured) -> None:
    """Five pairs, one after the other; each begins when everything before it has been delivered everywhere."""
    pairs = []
    with ExitStack() as stack:
        gateway = stack.enter_context(
            running_gateway(tmp_path, shared=stack.enter_context(fresh_servers())),
        )
        gateway.add_station("SCANNER1")
        stations = {title: stack.enter_context(StationReceiver(title)) for title in HEALTHY + BAD}
        for title, station in stations.items():
            gateway.add_station(title, station.port, "--store", "--retry-most-seconds", "5")
        healthy = [stations[title] for title in HEALTHY]
        batches = [small_instances(INSTANCES, seed=seed) for seed in range(1, 2 * PAIRS + 2)]
        gateway.apply_rules(rules(*HEALTHY))
        delays(gateway, batches.pop(), healthy)  # warms up
        for _ in range(PAIRS):
            gateway.apply_rules(rules(*HEALTHY))
            alone = p95(delays(gateway, batches.pop(), healthy))
            gateway.apply_rules(rules(*BAD, *HEALTHY))
            stations["DEAD"].behave(Refuse())
            stations["SLOW"].behave(Slow(1.0))
            beside = p95(delays(gateway, batches.pop(), healthy))
            pairs.append((alone, beside))
            for title in BAD:
                stations[title].behave(Accept())
            until(lambda: unfinished(gateway) == 0, limit=120, what="everything to be delivered")
    measured(
        Figure("p95 alone, median", statistics.median(alone for alone, _ in pairs), "ms"),
        Figure("p95 beside a dead and a slow one, median", statistics.median(beside for _, beside in pairs), "ms"),
        Figure("beyond 1.2 x + 20 ms, median", statistics.median(b - 1.2 * a - 20 for a, b in pairs), "ms", 0.0),
    )
