#!/usr/bin/env python3
"""Make the dashboards that Grafana imports of what source/ says in few words: .venv/bin/python deploy/grafana/build.py

A panel has a title, what it is ``about``, a ``unit`` (as Grafana names it) and either

- ``value``: an expression, shown as one number on the color of the ``colors`` it has reached, or
- ``lines``: expressions by legend, drawn over time, or
- ``quantiles``: a histogram, drawn as median, 95 % and 99 %, or as 95 % by the label ``by``; ``where`` selects.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "source"
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SERIES = re.compile(r"\b((?:gateway|process)_\w+|ALERTS)(?:\{([^}]*)\})?")
HERE = 'namespace=~"$namespace"'
COLUMNS = 24
VALUE, LINES = (4, 4), (8, 8)
"""Width and height."""
QUANTILES = {"median": 0.5, "95 %": 0.95, "99 %": 0.99}


def dashboard(source: dict[str, Any]) -> dict[str, Any]:
    """The whole document (pure)."""
    return {
        "uid": source["uid"],
        "title": source["title"],
        "description": source["about"],
        "tags": ["dicom-gateway"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "",
        "time": {"from": "now-6h", "to": "now"},
        "annotations": {"list": []},
        "links": [
            {"title": "", "type": "dashboards", "tags": ["dicom-gateway"], "includeVars": False, "keepTime": True}
        ],
        "templating": {
            "list": [
                data_source_variable(),
                *map(variable, [("namespace", "gateway_build_info"), *source.get("variable", {}).items()]),
            ]
        },
        "panels": placed(source["rows"]),
    }


def data_source_variable() -> dict[str, Any]:
    """Which Prometheus is asked (pure)."""
    return {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
        "hide": 0, "current": {}, "options": [],
    }  # fmt: skip


def variable(of: tuple[str, str]) -> dict[str, Any]:
    """A choice among the values of a label that a metric has (pure)."""
    label, metric = of
    query = f"label_values({metric if label == 'namespace' else of_namespace(metric)}, {label})"
    return {
        "name": label, "label": label.capitalize(), "type": "query", "datasource": DATA_SOURCE,
        "query": {"query": query, "refId": label}, "definition": query, "refresh": 2, "sort": 1, "multi": True,
        "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, "options": [],
        "hide": 0,
    }  # fmt: skip


def placed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Panels from left to right, row by row (pure)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        panels.append({"type": "row", "title": row["title"], "collapsed": False, "panels": []} | at(0, y, (COLUMNS, 1)))
        x, y, below = 0, y + 1, y + 1
        for each in row["panels"]:
            width, height = size = VALUE if "value" in each else LINES
            if x + width > COLUMNS:
                x, y = 0, below
            panels.append(panel(each) | at(x, y, size))
            x, below = x + width, y + height
        y = below
    return [{"id": number} | each for number, each in enumerate(panels, 1)]


def at(x: int, y: int, size: tuple[int, int]) -> dict[str, Any]:
    """A place (pure)."""
    return {"gridPos": {"x": x, "y": y, "w": size[0], "h": size[1]}}


def panel(source: dict[str, Any]) -> dict[str, Any]:
    """A number or a graph (pure)."""
    common = {"title": source["title"], "description": source["about"], "datasource": DATA_SOURCE}
    unit = source.get("unit", "none")
    return common | (number(source, unit) if "value" in source else graph(source, unit))


def number(source: dict[str, Any], unit: str) -> dict[str, Any]:
    """One value, and what its color means (pure)."""
    steps = [
        {"color": color, "value": None if value == "start" else value} for color, value in source["colors"].items()
    ]
    return {
        "type": "stat",
        "targets": [target(0, "", source["value"]) | {"instant": True, "range": False}],
        "fieldConfig": {
            "defaults": {
                "unit": unit, "thresholds": {"mode": "absolute", "steps": steps}, "color": {"mode": "thresholds"},
                "noValue": "no data",
            },
            "overrides": [],
        },
        "options": {
            "colorMode": "background", "graphMode": "none", "justifyMode": "center", "textMode": "value",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    }  # fmt: skip


def graph(source: dict[str, Any], unit: str) -> dict[str, Any]:
    """Values over time (pure)."""
    limits = ({} if source.get("signed") else {"min": 0}) | ({"max": source["most"]} if "most" in source else {})
    lines = source["lines"] if "lines" in source else quantiles(source)
    custom = {"drawStyle": "line", "fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
    return {
        "type": "timeseries",
        "targets": [target(place, legend, expression) for place, (legend, expression) in enumerate(lines.items())],
        "fieldConfig": {"defaults": {"unit": unit, **limits, "custom": custom}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def quantiles(source: dict[str, Any]) -> dict[str, str]:
    """Lines of a histogram (pure)."""
    selector = f"{{{source['where']}}}" if "where" in source else ""
    rate = f"(rate({source['quantiles']}_bucket{selector}[$__rate_interval]))"
    if label := source.get("by"):
        return {f"{{{{{label}}}}}": f"histogram_quantile(0.95, sum by (le, {label}) {rate})"}
    return {legend: f"histogram_quantile({part}, sum by (le) {rate})" for legend, part in QUANTILES.items()}


def target(place: int, legend: str, expression: str) -> dict[str, Any]:
    """A query (pure)."""
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATA_SOURCE,
        "expr": of_namespace(expression),
        "legendFormat": legend,
    }


def of_namespace(expression: str) -> str:
    """The expression over what the chosen namespaces have; all of them takes what has none, too (pure)."""
    return SERIES.sub(lambda found: f"{found[1]}{{{', '.join(filter(None, (found[2], HERE)))}}}", expression)


def text(source: Path) -> str:
    """A dashboard as JSON, a panel a line."""
    document = dashboard(yaml.safe_load(source.read_text(encoding="utf-8")))
    panels = ",\n    ".join(json.dumps(each) for each in document.pop("panels"))
    head = json.dumps(document, indent=2).removesuffix("\n}")
    return f'{head},\n  "panels": [\n    {panels}\n  ]\n}}\n'


def main() -> None:
    """Write the dashboards beside this file."""
    for source in sorted(SOURCE.glob("*.yaml")):
        (FOLDER / f"{source.stem}.json").write_text(text(source), encoding="utf-8")


if __name__ == "__main__":
    main()
