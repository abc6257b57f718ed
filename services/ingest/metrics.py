"""Metrics of ingest. No label ever carries data from the wire."""

from prometheus_client import Counter, Gauge, Histogram

ECHOES = Counter("gateway_ingest_echoes_total", "C-ECHO requests answered")
STORED = Counter(
    "gateway_ingest_stored_total", "Instances durable and answered so: 0000 or a warning", ["station", "status"]
)
STORED_BYTES = Counter("gateway_ingest_stored_bytes_total", "Bytes of their data sets", ["station"])
REFUSED = Counter("gateway_ingest_refused_total", "C-STORE requests not answered Success", ["cause"])
FINDINGS = Counter("gateway_ingest_findings_total", "What received data sets do not keep to", ["check", "rule"])
UNCHECKED = Counter("gateway_ingest_unchecked_total", "Data sets whose check against the IOD broke off")
REQUESTS = Counter("gateway_ingest_commitment_requests_total", "N-ACTIONs by their answer", ["status"])
REPORTED_BACK = Counter(
    "gateway_ingest_commitment_reported_total", "Reports on the association of their request", ["outcome"]
)
STORE_SECONDS = Histogram(
    "gateway_ingest_store_seconds",
    "From the command set of a C-STORE to its answer: stored is durable, refused is not answered Success",
    ["outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
PUBLISHED = Counter("gateway_ingest_published_total", "Messages the broker has confirmed", ["type"])
UNPUBLISHED = Counter(
    "gateway_ingest_unpublished_total", "Messages given up; storage's sweep finds the object", ["type"]
)
CLOCK_SKEW = Gauge("gateway_ingest_clock_skew_seconds", "How far this host's clock is ahead of another one", ["of"])
CLOCK_ALARM = Gauge("gateway_ingest_clock_alarm", "1 while this host's clock is more than 2 s wrong")
ABANDONED = Counter("gateway_ingest_abandoned_total", "Unfinished writes of dead processes that were removed")
