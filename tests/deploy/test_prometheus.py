"""A real Prometheus over a running gateway: it is scraped, alerts are evaluated, every panel has data."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import yaml
from prometheus_client import Info
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from schemas.messages import InstanceReceived
from schemas.topology import EXCHANGE
from tests.deploy.dashboards import ALERTS, DASHBOARDS, PROMETHEUS, RULES, expressions, filled_in
from tests.deploy.promtool import program
from tests.factories import Instance, ct, small_instances
from tests.metrics_reference import DECLARING, LABELS, declared, exposed_name
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import Answer, RawSender, StationReceiver
from tests.stations.asker import Asking
from tests.stations.committer import Committer, Script
from tests.stations.finder import Finder, identifier
from tests.stations.retriever import Retriever
from tests.waiting import until

ROUTES = """
version: 1
rules:
  - name: to-all
    when: {all: []}
    send: [{to: HEALTHY}, {to: REJECTING}, {to: ARCHIVE1, commit: true}]
"""
QUICK = {"GATEWAY_COMMITMENT_QUIET_SECONDS": "1", "GATEWAY_COMMITMENT_SWEEP_SECONDS": "1"}
UID = re.compile(r"\d+(\.\d+){4,}")


@dataclass(frozen=True)
class Exported:
    """What all processes export: type by family, labels by sample name, values by label."""

    types: dict[str, str]
    samples: dict[str, frozenset[str]]
    values: dict[str, frozenset[str]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[RunningGateway]:
    """A gateway that received, refused, delivered, was refused, was asked, asked, and has a dead letter."""
    with (
        StationReceiver("HEALTHY") as healthy,
        StationReceiver("REJECTING", Answer(0xA900)) as rejecting,
        Committer(script=Script()) as archive,
        fresh_servers() as shared,
        running_gateway(tmp_path_factory.mktemp("metrics"), settings=QUICK, shared=shared) as running,
    ):
        archive.gateway_port = running.dicom_port
        running.add_station("SCANNER1")
        running.add_station("HEALTHY", healthy.port, "--store")
        running.add_station("REJECTING", rejecting.port, "--store")
        running.add_station("ARCHIVE1", archive.port, "--store", "--commit-server")
        running.apply_rules(ROUTES)
        cause_everything(running)
        yield running


def sent_instances() -> list[Instance]:
    """What is accepted."""
    return small_instances(6, seed=71)


def cause_everything(gateway: RunningGateway) -> None:
    """Traffic that makes labelled series exist."""
    instances = sent_instances()
    assert [send(gateway, instance) for instance in instances] == [0] * len(instances)
    bad = ct(seed=7200)
    assert send(gateway, bad, bad.data_set[:-700]) != 0
    with pytest.raises(ConnectionRefusedError):
        send(gateway, bad, calling_aet="STRANGER")
    asyncio.run(publish(gateway, b"no message"))
    until(lambda: gateway.json("dead", "list"), limit=30, what="the dead letter to be parked")
    ended = "select count(*) as ended from routing.delivery where state in ('DELIVERED', 'FAILED')"
    until(lambda: gateway.rows(ended)[0]["ended"] == 3 * len(instances), limit=60, what="every delivery to end")
    ask(gateway, instances[0])
    committed = "select 1 from commitment.commitment where state = 'SUCCESS'"
    until(lambda: gateway.rows(committed), limit=30, what="the archive's commitment")


def ask(gateway: RunningGateway, instance: Instance) -> None:
    """A query, a retrieval, and a request for commitment that is reported on its own association."""
    study = {0x0020000D: instance.study_instance_uid}
    with Finder(gateway.dicom_port) as finder:
        assert len(finder.find(identifier("STUDY", study))) == 2
    with Retriever(gateway.dicom_port) as retriever:
        assert retriever.retrieve(study, "STUDY", to="HEALTHY")[-1].status == 0
    with Asking(gateway.dicom_port) as asking:
        assert asking.ask("2.25.7100", [(instance.sop_class_uid, instance.sop_instance_uid)]).status == 0
        assert asking.report().committed


def send(
    gateway: RunningGateway, instance: Instance, data_set: bytes | None = None, calling_aet: str = "SCANNER1"
) -> int:
    """The status of one C-STORE."""
    contexts = [(instance.sop_class_uid, instance.transfer_syntax_uid)]
    with RawSender(gateway.dicom_port, calling_aet, contexts=contexts) as sender:
        return sender.store(
            instance.sop_class_uid,
            instance.sop_instance_uid,
            instance.transfer_syntax_uid,
            instance.data_set if data_set is None else data_set,
        )


async def publish(gateway: RunningGateway, body: bytes) -> None:
    """Send these bytes to the queue of storage."""
    connection = await aio_pika.connect(gateway.amqp_url)
    async with connection:
        exchange = await (await connection.channel()).get_exchange(EXCHANGE)
        await exchange.publish(aio_pika.Message(body), routing_key=InstanceReceived.routing_key())


@pytest.fixture(scope="module")
def exported(gateway: RunningGateway) -> Exported:
    """Everything on /metrics of every process, with the refreshed gauges."""
    until(
        lambda: 'gateway_forwarder_waiting_deliveries{destination="HEALTHY"}' in scrape(gateway, "forwarder"),
        limit=30,
        what="the forwarder to have looked at its destinations",
    )
    types: dict[str, str] = {}
    samples: dict[str, set[str]] = defaultdict(set)
    values: dict[str, set[str]] = defaultdict(set)
    for part in gateway.part_names:
        for family in text_string_to_metric_families(scrape(gateway, part)):
            types[family.name] = family.type
            for sample in family.samples:
                samples[sample.name] |= set(sample.labels)
                for label, value in sample.labels.items():
                    values[label].add(value)
    return Exported(
        types,
        {name: frozenset(labels) for name, labels in samples.items()},
        {label: frozenset(found) for label, found in values.items()},
    )


def scrape(gateway: RunningGateway, part: str) -> str:
    """The text of /metrics of one process."""
    with urllib.request.urlopen(f"{gateway.http_address(part)}/metrics", timeout=5) as answer:  # noqa: S310
        text: str = answer.read().decode()
        return text


def families() -> dict[str, frozenset[str]]:
    """The labels of every metric that is declared, by family name."""
    return {
        exposed_name(metric).removesuffix("_total"): frozenset(metric._labelnames)
        for path in DECLARING
        for metric in declared(path)
        if not isinstance(metric, Info)
    }


def test_declared_metrics_are_what_is_exported(exported: Exported) -> None:
    """Each declared metric is exported by some process, with the labels it was declared with."""
    ours = {name for name in exported.types if name.startswith("gateway_") and not name.endswith("_created")}
    assert ours - {"gateway_build_info"} == families().keys()
    for name, labels in families().items():
        if name in exported.samples:
            assert exported.samples[name] == labels


def test_metrics_tell_what_happened(gateway: RunningGateway) -> None:
    """Six instances came, one was refused; a rule sent each to three stations, of which one took none."""
    instances = sent_instances()
    data = sum(len(instance.data_set) for instance in instances)
    expected = {
        "gateway_ingest_stored_total{SCANNER1}": 6,
        "gateway_ingest_stored_bytes_total{SCANNER1}": data,
        "gateway_ingest_store_seconds_count{stored}": 6,
        "gateway_ingest_store_seconds_count{refused}": 1,
        "gateway_index_received_to_indexed_seconds_count{}": 6,
        "gateway_forwarder_rule_hits_total{to-all}": 6,
        "gateway_forwarder_unmatched_total{}": 0,
        "gateway_forwarder_received_to_delivered_seconds_count{HEALTHY}": 6,
        "gateway_forwarder_received_to_delivered_seconds_count{REJECTING}": 0,
        "gateway_forwarder_received_to_delivered_seconds_count{ARCHIVE1}": 6,
        "gateway_forwarder_sent_bytes_total{HEALTHY}": data,
        "gateway_forwarder_sent_bytes_total{REJECTING}": 0,
        "gateway_dead_letters_total{storage.instance-received}": 1,
    }
    told = [sample for part in gateway.part_names for sample in samples(gateway, part)]
    assert {name: counted(told, *name.rstrip("}").split("{")) for name in expected} == expected
    assert 0 < counted(told, "gateway_forwarder_received_to_delivered_seconds_sum", "HEALTHY") < 6 * 60


def test_what_alerts_look_at_counts_from_zero(gateway: RunningGateway) -> None:
    """Prometheus sees no increase in a series that begins with 1: an alert would miss the first of each process."""
    told = {
        (sample.name, label, sample.value)
        for part in gateway.part_names
        for sample in samples(gateway, part)
        for label in sample.labels.values()
    }
    assert told >= {
        *(("gateway_ingest_commitment_reports_total", status, 0) for status in ("0110", "0113", "0119")),
        ("gateway_forwarder_presence_queries_total", "not told", 0),
        ("gateway_storage_received_too_often_total", "SCANNER1", 0),
    }


def samples(gateway: RunningGateway, part: str) -> Iterator[Sample]:
    """What a process exports."""
    for family in text_string_to_metric_families(scrape(gateway, part)):
        yield from family.samples


def counted(told: list[Sample], name: str, label: str) -> float:
    """The sum over all processes of a sample with that value of some label (pure)."""
    return sum(each.value for each in told if each.name == name and (not label or label in each.labels.values()))


def test_no_label_carries_data_from_the_wire(exported: Exported) -> None:
    """No value looks like a UID or is long."""
    for label in LABELS.keys() & exported.values.keys():
        assert not [value for value in exported.values[label] if UID.search(value) or len(value) > 64]


@dataclass(frozen=True)
class Prometheus:
    """Where it answers."""

    address: str

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API; None while it does not answer."""
        try:
            query = urllib.parse.urlencode(parameters)
            with urllib.request.urlopen(f"{self.address}/api/v1/{path}?{query}", timeout=5) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except OSError:
            return None

    def values(self, expression: str) -> list[Any]:
        """What an expression is now, one for each series."""
        found = self.ask("query", query=filled_in(expression))
        return [] if found is None else list(found["result"])


@contextmanager
def running_prometheus(gateway: RunningGateway, folder: Path) -> Iterator[Prometheus]:
    """Prometheus with ``local.yml`` and the alerts, but for its pace."""
    configuration = (PROMETHEUS / "local.yml").read_text().replace("scrape_interval: 15s", "scrape_interval: 1s")
    (folder / "local.yml").write_text(configuration.replace("global:", "global:\n  evaluation_interval: 1s"))
    (folder / "alerts.yml").write_text(ALERTS.read_text())
    write_targets(gateway, folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program("prometheus"), f"--config.file={folder / 'local.yml'}", f"--storage.tsdb.path={folder / 'data'}",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def write_targets(gateway: RunningGateway, folder: Path) -> Path:
    """Have targets.py write the file that local.yml names."""
    (job,) = yaml.safe_load((PROMETHEUS / "local.yml").read_text())["scrape_configs"]
    file: Path = folder / job["file_sd_configs"][0]["files"][0]
    command = [sys.executable, str(PROMETHEUS / "targets.py"), "--home", str(gateway.home), str(file)]
    subprocess.run(command, check=True, timeout=20)
    return file


def test_every_panel_has_data_and_alerts_are_evaluated(gateway: RunningGateway, tmp_path: Path) -> None:
    """Prometheus answers each expression of each dashboard with at least one series, and each alert is evaluated."""
    missing = {each for dashboard in DASHBOARDS.values() for each in expressions(dashboard)}
    with running_prometheus(gateway, tmp_path) as prometheus:
        up = "count(up == 1) == 6"
        until(lambda: prometheus.values(up), limit=60, what="six processes to be scraped")

        def all_answered() -> bool:
            missing.difference_update([each for each in missing if prometheus.values(each)])
            return not missing

        try:
            until(all_answered, limit=30)
        except AssertionError:
            pytest.fail("no data for\n" + "\n".join(sorted(missing)))
        until(lambda: judged(prometheus).keys() == RULES.keys(), limit=10, what="every alert to be evaluated")
        states = until(lambda: "firing" in judged(prometheus).values() and judged(prometheus), limit=10)
    assert states["GatewayDeadLetters"] == "firing"
    assert {name for name, state in states.items() if state == "firing"} <= {
        "GatewayDeadLetters", "GatewayJobsFailed", "GatewaySendersRefused", "GatewayStoreFillsUp"
    }  # fmt: skip


def judged(prometheus: Prometheus) -> dict[str, str]:
    """The state of each alert that was evaluated without an error."""
    groups = (prometheus.ask("rules") or {"groups": []})["groups"]
    return {rule["name"]: rule["state"] for group in groups for rule in group["rules"] if rule["health"] == "ok"}


def test_local_targets_are_the_running_processes(gateway: RunningGateway, tmp_path: Path) -> None:
    """targets.py writes the file that local.yml names; each address in it serves /metrics of its service."""
    groups = json.loads(write_targets(gateway, tmp_path).read_text())
    assert sorted(group["labels"]["service"] for group in groups) == sorted(
        ["ingest-query", "storage", "index", "forwarder", "commitment", "admin"]
    )
    for group in groups:
        with urllib.request.urlopen(f"http://{group['targets'][0]}/metrics", timeout=5) as answer:
            services = group["labels"]["service"].replace("-", " ")
            assert f'services="{services}"' in answer.read().decode()
