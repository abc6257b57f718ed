"""Metrics of the AE's endpoint and of the associations it opens. No label ever carries data from the wire."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from services.dicom.errors import AssociationRejected, ConnectFailed
from services.runtime.confined import CAUSES

REJECTED = Counter("gateway_associations_rejected_total", "Association proposals refused", ["reason"])
ASSOCIATION_SECONDS = Histogram(
    "gateway_association_seconds",
    "From a connection to its end, by how it ended",
    ["outcome"],
    buckets=(0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800),
)
BYTES = Counter("gateway_association_bytes_total", "Bytes over connections that ended", ["direction"])
ACTIVE = Gauge("gateway_associations_active", "Associations established at this moment")
SNAPSHOT_AGE = Gauge("gateway_snapshot_age_seconds", "Age of the configuration snapshot by the database's time")
SNAPSHOT_NUMBER = Gauge("gateway_snapshot_number", "Number of the configuration in force")
SNAPSHOT_STALE = Gauge("gateway_snapshot_stale", "1 while the snapshot is older than 5 minutes, database up")
OUTGOING_WAITS = Counter("gateway_outgoing_association_waits_total", "Asked for an outgoing association, none was free")
OPEN_SECONDS = Histogram(
    "gateway_outgoing_association_open_seconds",
    "From connecting to a station to the association, or to its failure",
    ["outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
TLS_EXPIRES = Gauge(
    "gateway_tls_certificate_expires_seconds",
    "Until our certificate (or the first of the authorities') expires, as they are in force",
    ["of"],
)
TLS_UNUSABLE = Gauge(
    "gateway_tls_files_stale", "1 while the TLS files as they are now cannot be used: those before are in force"
)
TLS_REFUSED = Counter("gateway_tls_handshakes_refused_total", "Connections that ended in the handshake", ["reason"])
CODEC_FAILURES = Counter(
    "gateway_codec_failures_total",
    "Conversions on which the process that decompresses ended: the codec crashed, took too much time, or said nothing",
    ["cause"],
)
for _cause in CAUSES:
    CODEC_FAILURES.labels(_cause)
REPORTS = Counter("gateway_ingest_commitment_reports_total", "N-EVENT-REPORTs by their answer", ["status"])


@contextmanager
def measured_opening() -> Iterator[None]:
    """Observe how long the block took to open an association, and what came of it."""
    started, outcome = time.monotonic(), "failed"
    try:
        yield
        outcome = "opened"
    except ConnectFailed:
        outcome = "not reached"
        raise
    except AssociationRejected:
        outcome = "rejected"
        raise
    finally:
        OPEN_SECONDS.labels(outcome).observe(time.monotonic() - started)
