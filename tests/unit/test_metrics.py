"""Metrics as they are declared: names, units, labels, and the document that tells of them."""

import re

import pytest
from prometheus_client import Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase

from services.runtime.http_metrics import part_of
from tests.metrics_reference import DECLARING, LABELS, PARTS, REFERENCE, declared, exposed_name, reference

COUNTED = re.compile(
    r"_(active|alarm|associations|available|batch_size|circuit_open|configuration|consuming|dead_letters|deliveries|failing|jobs"
    r"|leading|messages|missing|number|objects|folders|open|pending|rule_set|stale|stations|studies|unhandled"
    r"|unpublished)$"
)
"""Gauges and sizes that count things or say yes or no: their unit is what they name."""


def test_the_reference_is_what_the_services_declare() -> None:
    """docs/metrics.md leaves no metric out; the cure is ``.venv/bin/python -m tests.metrics_reference``."""
    assert REFERENCE.read_text(encoding="utf-8") == reference()
    assert {path.parent.name for path in DECLARING} == PARTS.keys()


def test_names_helps_and_units() -> None:
    """Prefix, a sentence of help, and the unit at the end: base units only."""
    faults = []
    for path in DECLARING:
        service = path.parent.name
        prefix = "gateway_" if service in ("runtime", "dicom") else f"gateway_{service}_"
        for metric in declared(path):
            meaning = next(iter(metric.describe())).documentation
            name = exposed_name(metric)
            if not name.startswith(prefix) or len(meaning) <= 10 or not fits(metric, name):
                faults.append(name)
    assert faults == []


def fits(metric: MetricWrapperBase, name: str) -> bool:
    """Whether the name ends as its kind must (pure)."""
    if isinstance(metric, Counter | Info):
        return not name.removesuffix("_total").endswith(("_ms", "_milliseconds", "_kb", "_mb", "_minutes", "_hours"))
    if isinstance(metric, Histogram):
        return name.endswith(("_seconds", "_bytes", "_batch_size"))
    return isinstance(metric, Gauge) and (name.endswith(("_seconds", "_bytes")) or COUNTED.search(name) is not None)


def test_every_label_is_told() -> None:
    """A label of a new metric is one of the list, with what bounds its values."""
    assert {label for path in DECLARING for metric in declared(path) for label in metric._labelnames} == LABELS.keys()


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/readyz", "health"),
        ("/metrics", "metrics"),
        ("/api/v1/studies/1.2.3", "api"),
        ("/events", "events"),
        ("/patients/1.2.840.113619.2.1", "pages"),
        ("/", "pages"),
        ("*", "pages"),
    ],
)
def test_paths_are_told_by_the_part_of_the_site(path: str, part: str) -> None:
    """They hold UIDs, and whoever asks may write anything into them."""
    assert part_of(path) == part
