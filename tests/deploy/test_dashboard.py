"""The dashboard and the scrape configuration fit what a running gateway exports, and no metric carries patient data."""

import asyncio
import importlib
import itertools
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from schemas.messages import InstanceReceived
from schemas.topology import EXCHANGE
from tests.deploy.promql import NotPromql, selected
from tests.factories import Instance, ct, small_instances
from tests.forked import REPOSITORY
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import Answer, RawSender, StationReceiver
from tests.waiting import until

DASHBOARD = json.loads((REPOSITORY / "deploy/grafana/gateway.json").read_text())
DECLARING = sorted((REPOSITORY / "services").glob("*/*metrics.py"))
LABELS_OF_TARGETS = frozenset({"job", "instance", "service"})
"""What Prometheus and the scrape configuration add."""

ALLOWED_LABELS = frozenset(
    {
        "by",
        "cause",
        "channel",
        "check",
        "destination",
        "disposition",
        "folder",
        "meaning",
        "name",
        "of",
        "operation",
        "outcome",
    }
    | {"queue", "reason", "result", "rule", "state", "station", "status", "task", "type", "verdict", "why"}
)
"""Their values are words of ours or AE titles of the configuration."""

COUNTED = re.compile(
    r"_(active|alarm|associations|available|batch_size|circuit_open|configuration|consuming|dead_letters|deliveries|failing|jobs"
    r"|leading|missing|number|objects|folders|open|pending|rule_set|stale|stations|studies|unhandled|unpublished)$"
)
"""Gauges and sizes that count things or say yes or no: their unit is what they name."""

RULES = """
version: 1
rules:
  - name: to-both
    when: {all: []}
    send: [{to: HEALTHY}, {to: REJECTING}]
"""
UID = re.compile(r"\d+(\.\d+){4,}")


@dataclass(frozen=True)
class Exported:
    """What all processes export: type by family, labels by sample name, values by label."""

    types: dict[str, str]
    samples: dict[str, frozenset[str]]
    values: dict[str, frozenset[str]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[RunningGateway]:
    """A gateway that received, refused, rejected, delivered, was rejected, and has a dead letter."""
    with (
        StationReceiver("HEALTHY") as healthy,
        StationReceiver("REJECTING") as rejecting,
        fresh_servers() as shared,
        running_gateway(tmp_path_factory.mktemp("dashboard"), shared=shared) as running,
    ):
        running.add_station("SCANNER1")
        running.add_station("HEALTHY", healthy.port, "--store")
        running.add_station("REJECTING", rejecting.port, "--store")
        running.apply_rules(RULES)
        rejecting.behave(Answer(0xA900))
        cause_everything(running)
        yield running


def cause_everything(gateway: RunningGateway) -> None:
    """Traffic that makes labelled series exist."""
    instances = small_instances(6, seed=71)
    assert [send(gateway, instance) for instance in instances] == [0] * len(instances)
    bad = ct(seed=7200)
    assert send(gateway, bad, bad.data_set[:-700]) != 0
    with pytest.raises(ConnectionRefusedError):
        send(gateway, bad, calling_aet="STRANGER")
    asyncio.run(publish(gateway, b"no message"))
    until(lambda: gateway.json("dead", "list"), limit=30, what="the dead letter to be parked")
    ended = "select count(*) as ended from routing.delivery where state in ('DELIVERED', 'FAILED')"
    until(lambda: gateway.rows(ended)[0]["ended"] == 2 * len(instances), limit=60, what="every delivery to end")


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


def declared() -> dict[str, MetricWrapperBase]:
    """Every metric that a module of services declares, by family name."""
    found = {}
    for path in DECLARING:
        module = importlib.import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
        for value in vars(module).values():
            if isinstance(value, MetricWrapperBase):
                name = next(iter(value.describe())).name
                found[f"{name}_info" if isinstance(value, Info) else name] = value
    return found


def labels_of(metric: MetricWrapperBase) -> frozenset[str]:
    """The labels a metric was declared with."""
    return frozenset(metric._labelnames)


def expressions() -> list[str]:
    """Every expression of the dashboard, queries of variables included."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    variables = [v["query"]["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"]
    return panels + [re.sub(r"label_values\((\w+), (\w+)\)", r"group by (\2) (\1)", query) for query in variables]


def alerts() -> list[str]:
    """Every expression of the table of alerts in docs/operations.md."""
    lines = (REPOSITORY / "docs/operations.md").read_text().splitlines()
    start = lines.index("| alert | PromQL |") + 2
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    return [row.split("`")[1] for row in rows]


def sample_labels(exported: Exported) -> dict[str, frozenset[str]]:
    """Labels by the name of a sample: declared ones for metrics of ours, observed ones for the client library's."""
    known = {name: labels for name, labels in exported.samples.items() if not name.startswith("gateway_")}
    for family, metric in declared().items():
        if family not in exported.types:
            continue
        names = labels_of(metric)
        if isinstance(metric, Histogram):
            known |= {f"{family}_bucket": names | {"le"}, f"{family}_sum": names, f"{family}_count": names}
        elif isinstance(metric, Info):
            known[family] = exported.samples[family]
        else:
            known[f"{family}_total" if isinstance(metric, Counter) else family] = names
    return known


def test_every_expression_names_what_is_exported(exported: Exported) -> None:
    """Names and labels of every expression, alerts of the docs included, exist on /metrics of a working process."""
    known = sample_labels(exported) | {"up": LABELS_OF_TARGETS}  # Prometheus makes up itself
    faults = []
    assert len(alerts()) > 10
    for expression in expressions() + alerts():
        names = selected(expression)
        unknown = names.metrics - known.keys()
        possible = LABELS_OF_TARGETS.union(*(known.get(name, frozenset()) for name in names.metrics))
        if unknown or not names.metrics or names.labels - possible:
            faults.append((expression, sorted(unknown), sorted(names.labels - possible)))
    assert faults == []


def test_expressions_use_counters_and_histograms_as_such(exported: Exported) -> None:
    """Counters and buckets only within rate() or increase(), gauges never; quantiles keep le."""
    counters = {f"{name}_total" for name, kind in exported.types.items() if kind == "counter"}
    buckets = {f"{name}{end}" for name, kind in exported.types.items() for end in ("_bucket", "_sum", "_count")
               if kind == "histogram"}  # fmt: skip
    ranged = re.compile(r"\b(?:rate|increase)\((\w+)(?:\{[^}]*\})?\[")
    for expression in expressions():
        rated, named = set(ranged.findall(expression)), selected(expression).metrics
        assert rated == named & (counters | buckets) or "group(" in expression, expression
        if any(name.endswith("_bucket") for name in named):
            assert re.search(r"histogram_quantile\(0\.\d+, sum by \(le[,)]", expression), expression


def test_declared_metrics_are_what_is_exported(exported: Exported) -> None:
    """Each declared metric is exported by some process, with the labels it was declared with."""
    assert declared().keys() - exported.types.keys() == set()
    ours = {name for name in exported.types if name.startswith("gateway_") and not name.endswith("_created")}
    assert ours - declared().keys() == set()
    for name, metric in declared().items():
        if not isinstance(metric, Info) and name in exported.samples:
            assert exported.samples[name] == labels_of(metric)


def test_names_helps_and_units() -> None:
    """Prefix, a sentence of help, and the unit at the end: base units only."""
    faults = []
    for path in DECLARING:
        service = path.parent.name
        module = importlib.import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
        for metric in (value for value in vars(module).values() if isinstance(value, MetricWrapperBase)):
            family = next(iter(metric.describe()))
            prefix = "gateway_" if service in ("runtime", "dicom") else f"gateway_{service}_"
            fine = family.name.startswith(prefix) and len(family.documentation) > 10 and fits(metric, family.name)
            if not fine:
                faults.append(family.name)
    assert faults == []


def fits(metric: MetricWrapperBase, name: str) -> bool:
    """Whether the name ends as its kind must (pure)."""
    if isinstance(metric, Counter | Info):
        return not name.endswith(("_ms", "_milliseconds", "_kb", "_mb", "_minutes", "_hours"))
    if isinstance(metric, Histogram):
        return name.endswith(("_seconds", "_bytes", "_batch_size"))
    return isinstance(metric, Gauge) and (name.endswith(("_seconds", "_bytes")) or COUNTED.search(name) is not None)


def test_no_label_can_carry_patient_data(exported: Exported) -> None:
    """Labels are of a fixed list, and no value looks like a UID or is long."""
    for name, metric in declared().items():
        assert labels_of(metric) <= ALLOWED_LABELS, name
    for label in ALLOWED_LABELS & exported.values.keys():
        assert not [value for value in exported.values[label] if UID.search(value) or len(value) > 64]


def test_dashboard_is_importable() -> None:
    """Fixed uid, one data source variable used everywhere, unique ids, panels that do not overlap, known units."""
    assert (DASHBOARD["uid"], DASHBOARD["schemaVersion"] >= 36) == ("dicom-gateway", True)
    assert "__inputs" not in DASHBOARD
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    sources = [panel["datasource"] for panel in panels if panel["type"] != "row"]
    sources += [target["datasource"] for panel in panels for target in panel.get("targets", [])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) == 23
    units = {panel["fieldConfig"]["defaults"]["unit"] for panel in panels if panel["type"] != "row"}
    assert units <= {"none", "s", "bytes", "Bps", "ops"}
    for panel in panels:
        if panel["type"] == "stat":
            colors = {step["color"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]}
            assert "green" in colors
            assert colors & {"red", "orange"}


@pytest.mark.parametrize("wrong", ["sum(rate(a[5 m]))", "sum(a", "a)", "a{b=}~'", 'a{b="c"', "a # b"])
def test_the_reader_sees_wrong_syntax(wrong: str) -> None:
    """The reader of expressions is no yes-man."""
    with pytest.raises(NotPromql):
        selected(wrong)


def test_the_reader_finds_names() -> None:
    """Metrics and labels of an expression with everything in it."""
    found = selected('sum by (le, x) (rate(a_bucket{y=~"z|by"}[5m])) / on (job) group_left (v) b offset 1h > bool 2')
    assert found.metrics == {"a_bucket", "b"}
    assert found.labels == {"le", "x", "y", "job", "v"}


def test_prometheus_reads_the_expressions(tmp_path: Path) -> None:
    """Every expression parses: by promtool where the machine has it, else by our reader alone."""
    plain = [e.replace("$__rate_interval", "5m").replace("$destination", ".*") for e in expressions() + alerts()]
    assert all(selected(expression).metrics for expression in plain)
    if promtool := shutil.which("promtool"):
        rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(plain)]
        file = tmp_path / "rules.json"
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        subprocess.run([promtool, "check", "rules", str(file)], check=True)


def test_local_targets_are_the_running_processes(gateway: RunningGateway, tmp_path: Path) -> None:
    """targets.py writes the file that local.yml names; each address in it serves /metrics of its service."""
    configuration = yaml.safe_load((REPOSITORY / "deploy/prometheus/local.yml").read_text())
    (job,) = configuration["scrape_configs"]
    file = tmp_path / job["file_sd_configs"][0]["files"][0]
    command = [sys.executable, str(REPOSITORY / "deploy/prometheus/targets.py"), "--home", str(gateway.home), str(file)]
    subprocess.run(command, check=True, timeout=20)
    groups = json.loads(file.read_text())
    assert sorted(group["labels"]["service"] for group in groups) == sorted(
        ["ingest-query", "storage", "index", "forwarder", "commitment", "admin"]
    )
    for group in groups:
        with urllib.request.urlopen(f"http://{group['targets'][0]}/metrics", timeout=5) as answer:
            services = group["labels"]["service"].replace("-", " ")
            assert f'services="{services}"' in answer.read().decode()
