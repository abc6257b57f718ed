"""docs/metrics.md: every metric that the services declare, for who writes a query or an alert.

Written anew with ``PYTHONPATH=. .venv/bin/python -m tests.metrics_reference``.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase

REPOSITORY = Path(__file__).resolve().parent.parent
REFERENCE = REPOSITORY / "docs" / "metrics.md"
DECLARING: Final = sorted((REPOSITORY / "services").glob("*/*metrics.py"))
KINDS: Final = {Counter: "counter", Gauge: "gauge", Histogram: "histogram", Info: "info"}
PARTS: Final = {
    "runtime": ("Every process", "The bus, the database, the object store, HTTP, and the process itself."),
    "dicom": ("Associations", "Processes with `ingest` or `query`; those that open associations are in all that do."),
    "ingest": ("Ingest", ""),
    "query": ("Query", ""),
    "storage": ("Storage", ""),
    "index": ("Index", ""),
    "forwarder": ("Forwarder", ""),
    "commitment": ("Commitment", ""),
    "admin": ("Admin", "The state of the whole gateway, as its database tells it every 15 seconds."),
}
LABELS: Final = {
    "by": "what brought the work: `message` from the broker, `reconciler` or `sweep` without one",
    "cause": "why a C-STORE was not answered Success, or how a codec failed: a word of a fixed list",
    "channel": "`mail` or `webhook`",
    "check": "the part of the check against the IOD that found something",
    "destination": "AE title of a configured station that is sent to",
    "direction": "`received` or `sent`, as seen from the gateway",
    "disposition": "what a receipt turned out to be: `NEW`, `DUPLICATE`, `REVISION` and others",
    "folder": "`reports` or `requests`",
    "meaning": "what a failed transaction means: `Unavailable`, `Conflict`, `RefusedData`, `GatewayError` (a bug)",
    "name": "which reconciler",
    "of": "whose clock this host's is compared with; of TLS: `certificate` or `authorities`",
    "operation": "`C-MOVE` or `C-GET`",
    "outcome": "how it ended, a word of a fixed list",
    "part": "of what is answered over HTTP: `health`, `metrics`, `api`, `events`, `static`, `pages`",
    "queue": "a queue of the broker's topology, or its dead letter queue",
    "reason": "result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)",
    "result": "how a sub-operation ended",
    "rule": "name of a rule of the live rule set; with `check`: the rule of the check",
    "state": "a state of the state machines of [architecture.md](architecture.md)",
    "station": "AE title of a configured station",
    "status": "a DICOM status, four hexadecimal digits; over HTTP its class, such as `2xx`",
    "task": "a supervised task",
    "type": "a message type, or a kind of notice",
    "verdict": "what a commitment report says, or was made of",
    "why": "what an object was deleted for",
    "volume": "`database` or `broker`",
}
"""Every label of every metric. Their values are words of ours or names of the configuration, nothing from the wire."""
HEAD: Final = """# Metrics

What `/metrics` of the processes exports beside the client library's own (`process_…`, `python_…`). Generated from the
declarations in `services/*/*metrics.py` by `python -m tests.metrics_reference`. Scraping, dashboards and alerts are in
[operations.md](operations.md#what-to-watch).

Sums over processes are right for counters and histograms; of gauges that every process has from one database
(`gateway_outbox_…`, `gateway_forwarder_…`, `gateway_commitment_…`) take the maximum. A histogram has the samples
`…_bucket`, `…_sum` and `…_count`; its count is a counter by itself.
"""


def declared(path: Path) -> Iterator[MetricWrapperBase]:
    """The metrics of one module, in the order of their declaration."""
    module = importlib.import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
    return (value for value in vars(module).values() if isinstance(value, MetricWrapperBase))


def exposed_name(metric: MetricWrapperBase) -> str:
    """As a query has to name it (pure)."""
    ends = {Counter: "_total", Info: "_info"}
    return next(iter(metric.describe())).name + ends.get(type(metric), "")


def unit(name: str) -> str:
    """Seconds and bytes by the end of the name; all else counts, or says yes (1) and no (0) (pure)."""
    plain = name.removesuffix("_total")
    return next((unit for unit in ("seconds", "bytes") if plain.endswith(f"_{unit}")), "")


def reference() -> str:
    """The whole document."""
    lines = [HEAD]
    for part, (title, introduction) in PARTS.items():
        lines += [f"## {title}", ""] + ([introduction, ""] if introduction else [])
        lines += ["| metric | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
        lines += [row(metric) for path in DECLARING if path.parent.name == part for metric in declared(path)]
        lines.append("")
    lines += ["## Labels", "", "No label carries anything from the wire.", "", "| label | is |", "|---|---|"]
    return "\n".join(lines + [f"| `{label}` | {meaning} |" for label, meaning in LABELS.items()]) + "\n"


def row(metric: MetricWrapperBase) -> str:
    """One metric."""
    name, labels = exposed_name(metric), ", ".join(f"`{label}`" for label in metric._labelnames)
    meaning = next(iter(metric.describe())).documentation
    return f"| `{name}` | {KINDS[type(metric)]} | {unit(name)} | {labels} | {meaning} |"


def main() -> None:
    """Write the file."""
    REFERENCE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
