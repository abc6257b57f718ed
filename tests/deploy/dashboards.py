"""What the dashboards and the alerts ask Prometheus for."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tests.metrics_reference import REPOSITORY

GRAFANA = REPOSITORY / "deploy" / "grafana"
PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "alerts.yml"
DASHBOARDS: Final[dict[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GRAFANA.glob("*.json"))
}
RULES: Final[dict[str, dict[str, Any]]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
"""The alerts by name."""
LABELS_OF_TARGETS = frozenset({"job", "instance", "service", "namespace"})
"""What Prometheus and the scrape configurations add."""
LABELS_OF_OTHERS: Final = {
    "up": LABELS_OF_TARGETS,
    "ALERTS": frozenset({"alertname", "alertstate"}),
    "gateway_build_info": frozenset({"version", "services"}),
    "process_resident_memory_bytes": frozenset[str](),
    "process_cpu_seconds_total": frozenset[str](),
    "process_open_fds": frozenset[str](),
}
"""Metrics of Prometheus itself and of the client library, and the labels that a declaration does not name."""


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that ask for something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Every expression of a dashboard, queries of variables included."""
    for panel in panels(dashboard):
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"label_values\((\w+(?:\{.*\})?), (\w+)\)", r"group by (\2) (\1)", variable["query"]["query"])


def every_expression() -> list[str]:
    """Those of all dashboards, then those of the alerts."""
    shown = [each for dashboard in DASHBOARDS.values() for each in expressions(dashboard)]
    return shown + [rule["expr"] for rule in RULES.values()]


def filled_in(expression: str) -> str:
    """As Grafana asks: with its variables replaced (pure)."""
    return expression.replace("$__rate_interval", "1m").replace("$destination", ".*").replace("$namespace", ".*")
