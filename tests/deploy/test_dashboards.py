"""The dashboards: made of their source, importable, asking only for what the services declare."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Histogram, Info

from tests.deploy.dashboards import (
    DASHBOARDS,
    GRAFANA,
    LABELS_OF_OTHERS,
    LABELS_OF_TARGETS,
    every_expression,
    expressions,
    filled_in,
    panels,
)
from tests.deploy.promql import NotPromql, selected
from tests.deploy.promtool import promtool
from tests.metrics_reference import DECLARING, declared, exposed_name

BUILD = runpy.run_path(str(GRAFANA / "build.py"))


def known() -> dict[str, frozenset[str]]:
    """Labels by the name of a sample."""
    found = dict(LABELS_OF_OTHERS)
    for metric in (metric for path in DECLARING for metric in declared(path)):
        name, labels = exposed_name(metric), frozenset(metric._labelnames)
        if isinstance(metric, Histogram):
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        elif not isinstance(metric, Info):
            found[name] = labels
    return found


def test_they_are_what_their_source_says() -> None:
    """The cure is ``.venv/bin/python deploy/grafana/build.py``."""
    made = {source.stem: BUILD["text"](source) for source in sorted((GRAFANA / "source").glob("*.yaml"))}
    assert made == {path.stem: path.read_text(encoding="utf-8") for path in sorted(GRAFANA.glob("*.json"))}
    assert made.keys() == {"overview", "ingest", "destinations", "commitments", "internals"}


def test_every_expression_names_what_is_declared() -> None:
    """Names and labels of every expression, alerts included."""
    samples, faults = known(), []
    for expression in every_expression():
        names = selected(expression)
        unknown = names.metrics - samples.keys()
        possible = LABELS_OF_TARGETS.union(*(samples.get(name, frozenset()) for name in names.metrics))
        if unknown or not names.metrics or names.labels - possible:
            faults.append((expression, sorted(unknown), sorted(names.labels - possible)))
    assert faults == []


def test_expressions_use_counters_and_histograms_as_such() -> None:
    """Counters and buckets only within rate() or increase(), gauges never; quantiles keep le."""
    metrics = [metric for path in DECLARING for metric in declared(path)]
    rising = {exposed_name(metric) for metric in metrics if isinstance(metric, Counter)} | {
        f"{exposed_name(metric)}{end}"
        for metric in metrics
        if isinstance(metric, Histogram)
        for end in ("_bucket", "_sum", "_count")
    }
    rising.add("process_cpu_seconds_total")
    ranged = re.compile(r"\b(?:rate|increase)\((\w+)(?:\{[^}]*\})?\[")
    for expression in every_expression():
        rated, named = set(ranged.findall(expression)), selected(expression).metrics
        assert rated == named & rising or "group by" in expression, expression
        if any(name.endswith("_bucket") for name in named):
            assert re.search(r"histogram_quantile\(0\.\d+, sum by \(le[,)]", expression), expression


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_importable(name: str) -> None:
    """Fixed uid, one data source variable used everywhere, unique ids, panels that do not overlap, known units."""
    dashboard: dict[str, Any] = DASHBOARDS[name]
    assert dashboard["uid"] == ("dicom-gateway" if name == "overview" else f"dicom-gateway-{name}")
    assert len(json.dumps(dashboard["uid"])) <= 42
    assert "__inputs" not in dashboard
    every = dashboard["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    sources = [panel["datasource"] for panel in panels(dashboard)]
    sources += [target["datasource"] for panel in panels(dashboard) for target in panel["targets"]]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    places = [panel["gridPos"] for panel in every]
    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) == 23
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in panels(dashboard)} <= {
        "none",
        "s",
        "bytes",
        "Bps",
        "ops",
    }
    assert all(panel["description"] and panel["targets"] for panel in panels(dashboard))
    for panel in panels(dashboard):
        if panel["type"] == "stat":
            colors = {step["color"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]}
            assert "green" in colors
            assert colors & {"red", "orange"}


def test_prometheus_reads_the_expressions(tmp_path: Path) -> None:
    """Every expression of every dashboard parses."""
    asked = [filled_in(each) for dashboard in DASHBOARDS.values() for each in expressions(dashboard)]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    promtool("check", "rules", file)


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
