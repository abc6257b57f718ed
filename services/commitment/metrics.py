"""Metrics of commitment. Labels are titles of configured stations and words of our own."""

from prometheus_client import Counter, Gauge

CHANGES = Counter("gateway_commitment_changes_total", "Commitments by the state they came to", ["station", "state"])
PENDING = Gauge("gateway_commitment_pending", "Commitments that have not ended", ["station"])
OLDEST_SECONDS = Gauge(
    "gateway_commitment_oldest_seconds", "Age of the oldest commitment that has not ended", ["station"]
)
REQUESTS = Counter("gateway_commitment_requests_total", "N-ACTIONs by their outcome", ["station", "outcome"])
INSTANCES = Counter("gateway_commitment_instances_total", "Reported instances by verdict", ["station", "verdict"])
REPORTS = Counter("gateway_commitment_reports_total", "Received reports by what was made of them", ["verdict"])
INBOUND = Counter("gateway_commitment_inbound_total", "Requests of peers by how they ended", ["outcome"])
INBOUND_OPEN = Gauge("gateway_commitment_inbound_open", "Requests of peers that are not reported yet")
UNHANDLED = Gauge("gateway_commitment_unhandled", "Received objects that the last sweep could not handle", ["folder"])
