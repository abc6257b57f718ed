"""One trace for each received instance: ingest, storage, index, forwarder and commitment, across every hop."""

import asyncio
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from schemas.messages import InstanceDelivered, InstanceReceived, InstanceStored
from schemas.topology import EXCHANGE
from services.dicom.part10 import ObjectMeta, file_head
from tests.collector import Collector, Span
from tests.factories import Instance, ct
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations.committer import Committer
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)
RULES = """
version: 1
rules:
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE1, commit: true}]
"""
PARENTS = {
    "C-STORE received": "",
    "made durable": "C-STORE received",
    "recorded": "C-STORE received",
    "indexed": "recorded",
    "routed": "recorded",
    "C-STORE sent": "routed",
    "commitment asked": "C-STORE sent",
}
SERVICES = {
    "C-STORE received": "gateway-ingest-query",
    "made durable": "gateway-ingest-query",
    "recorded": "gateway-storage",
    "indexed": "gateway-index",
    "routed": "gateway-forwarder",
    "C-STORE sent": "gateway-forwarder",
    "commitment asked": "gateway-commitment",
}
HOPS = {
    InstanceReceived.routing_key(): "C-STORE received",
    InstanceStored.routing_key(): "recorded",
    InstanceDelivered.routing_key(): "C-STORE sent",
}
"""The message, and the span that its traceparent names."""


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with Collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector, fresh_servers: FreshServers
) -> Iterator[RunningGateway]:
    """Everything goes to ARCHIVE1, which is asked to commit it."""
    settings = {"GATEWAY_TRACES_ENDPOINT": collector.endpoint, "GATEWAY_COMMITMENT_QUIET_SECONDS": "1"}
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path_factory.mktemp("traces"), settings=settings, shared=shared) as running,
        Committer(running.dicom_port) as archive,
    ):
        running.add_station("SCANNER1")
        running.add_station("ARCHIVE1", archive.port, "--store", "--commit-server")
        running.apply_rules(RULES)
        yield running


def send(gateway: RunningGateway, instance: Instance, folder: Path) -> int:
    """By DCMTK's storescu; its exit status."""
    file = folder / "instance.dcm"
    meta = ObjectMeta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
    file.write_bytes(file_head(meta) + instance.data_set)
    to = ["-aet", "SCANNER1", "-aec", "GATEWAY", "127.0.0.1", str(gateway.dicom_port)]
    return subprocess.run(["storescu", "-R", *to, str(file)], capture_output=True, timeout=30, check=False).returncode


def trace_of(gateway: RunningGateway, instance: Instance) -> str:
    """The trace that is to be: the UUID in the key of what was received."""
    statement = "select object_key from storage.receipt where sop_instance_uid = %s"
    rows = until(lambda: gateway.rows(statement, instance.sop_instance_uid), limit=30, what="the receipt")
    (found,) = re.findall(r"([0-9a-f]{32})\.dcm$", rows[0]["object_key"])
    return str(found)


def whole_trace(gateway: RunningGateway, collector: Collector, instance: Instance) -> dict[str, Span]:
    """Its spans by name, when all are there."""
    trace = trace_of(gateway, instance)
    until(lambda: PARENTS.keys() <= collector.of(trace).keys(), limit=40, what=f"all spans of {trace}")
    return collector.of(trace)


def assert_hangs_together(spans: dict[str, Span]) -> None:
    """Each below its parent, from the service that did it, in the order of time."""
    ids = {"": ""} | {name: span.span for name, span in spans.items()}
    assert {name: span.parent for name, span in spans.items()} == {name: ids[PARENTS[name]] for name in PARENTS}
    assert {name: span.service for name, span in spans.items()} == SERVICES
    received, durable = spans["C-STORE received"], spans["made durable"]
    assert received.start <= durable.start <= durable.end <= received.end <= spans["commitment asked"].start
    assert all(span.start <= span.end for span in spans.values())


def test_an_instance_has_one_trace_from_its_receipt_to_its_commitment(
    gateway: RunningGateway, collector: Collector, tmp_path: Path
) -> None:
    instance = ct(1, study=1)
    assert send(gateway, instance, tmp_path) == 0
    spans = whole_trace(gateway, collector, instance)
    assert_hangs_together(spans)
    of_instance = [
        span for span in collector.spans if span.attributes.get("dicom.sop_instance_uid") == instance.sop_instance_uid
    ]
    assert {span.trace for span in of_instance} == {spans["recorded"].trace}
    told = {name: span.attributes for name, span in spans.items()}
    assert told["C-STORE received"]["dicom.calling_aet"] == "SCANNER1"
    assert told["recorded"]["gateway.disposition"] == "NEW"
    assert told["routed"]["gateway.destinations"] == ["ARCHIVE1"]
    assert (told["C-STORE sent"]["dicom.called_aet"], told["C-STORE sent"]["dicom.status"]) == ("ARCHIVE1", "0000")
    assert told["commitment asked"]["gateway.outcome"] == "ACCEPTED"
    assert not any(span.failed for span in spans.values())


def test_messages_carry_the_traceparent_of_what_they_follow_from(
    gateway: RunningGateway, collector: Collector, tmp_path: Path
) -> None:
    """For consumers of others, which add to the same trace."""
    instance = ct(2, study=2)
    headers = asyncio.run(published(gateway, instance, tmp_path))
    spans = whole_trace(gateway, collector, instance)
    assert headers == {key: f"00-{spans[name].trace}-{spans[name].span}-03" for key, name in HOPS.items()}


async def published(gateway: RunningGateway, instance: Instance, folder: Path) -> dict[str, Any]:
    """Send the instance; the traceparents of the messages about it, by routing key."""
    connection = await aio_pika.connect(gateway.amqp_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("", exclusive=True)
        for key in HOPS:
            await queue.bind(EXCHANGE, key)
        assert await asyncio.to_thread(send, gateway, instance, folder) == 0
        found: dict[str, Any] = {}
        async with queue.iterator(timeout=30) as messages:
            async for message in messages:
                traceparent = message.headers.get("traceparent")
                assert traceparent == json.loads(message.body)["trace"]
                found[str(message.routing_key)] = traceparent
                if found.keys() == HOPS.keys():
                    break
        return found


def test_what_the_sweep_finds_belongs_to_the_same_trace(
    gateway: RunningGateway, collector: Collector, tmp_path: Path
) -> None:
    """No message told of it: the process was killed between its answer and its publishing."""
    gateway.kill("ingest-1")
    gateway.launch("ingest-1", environment={"GATEWAY_FAIL_POINT": "kill ingest.answered"})
    gateway.wait_ready(["ingest-1"])
    gateway.wait_configured()
    instance = ct(3, study=3)
    assert send(gateway, instance, tmp_path) != 0, "the association was released in order"
    gateway.parts["ingest-1"].process.wait(20)
    gateway.start_parts(["ingest-1"])
    trace = trace_of(gateway, instance)
    there = {name for name in PARENTS if SERVICES[name] != SERVICES["C-STORE received"]}
    until(lambda: there <= collector.of(trace).keys(), limit=60, what="the spans of who found it")
    assert collector.of(trace)["recorded"].attributes["gateway.by"] in ("sweep", "full sweep")


def test_instances_flow_while_the_collector_is_away_and_it_is_told(
    gateway: RunningGateway, collector: Collector, tmp_path: Path
) -> None:
    collector.stop()
    away = ct(4, study=4)
    assert send(gateway, away, tmp_path) == 0
    delivered = "select 1 from routing.delivery where sop_instance_uid = %s and state = 'DELIVERED'"
    until(lambda: gateway.rows(delivered, away.sop_instance_uid), limit=30, what="the delivery")
    for name in ("ingest-1", "storage", "index", "forwarder"):
        until(lambda name=name: metric(gateway, name, "failed") > 0, limit=30, what=f"{name} to count")  # type: ignore[misc]
        assert gateway.ready(name)
    log = (gateway.home / "storage.log").read_text()
    assert "traces_not_exported" in log
    assert "Traceback" not in log
    collector.start()
    back = ct(5, study=5)
    assert send(gateway, back, tmp_path) == 0
    assert_hangs_together(whole_trace(gateway, collector, back))


def metric(gateway: RunningGateway, name: str, outcome: str) -> float:
    """Spans of a part by what became of them."""
    with urllib.request.urlopen(f"{gateway.http_address(name)}/metrics", timeout=5) as answer:  # noqa: S310
        text = answer.read().decode()
    (value,) = re.findall(rf'^gateway_traces_spans_total{{outcome="{outcome}"}} (\S+)$', text, re.MULTILINE)
    return float(value)


def test_processes_end_in_time_whatever_the_collector_does(
    gateway: RunningGateway, collector: Collector, tmp_path: Path
) -> None:
    collector.frozen.set()
    assert send(gateway, ct(6, study=6), tmp_path) == 0
    began = time.monotonic()
    assert gateway.stop("ingest-1") == 0
    assert time.monotonic() - began < 10
    collector.frozen.clear()
