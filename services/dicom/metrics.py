"""Metrics of the AE's endpoint. No label ever carries data from the wire."""

from prometheus_client import Counter, Gauge

REJECTED = Counter("gateway_associations_rejected_total", "Association proposals refused", ["reason"])
ASSOCIATIONS = Counter("gateway_associations_total", "Connections that ended, by outcome", ["outcome"])
ACTIVE = Gauge("gateway_associations_active", "Associations established at this moment")
SNAPSHOT_AGE = Gauge("gateway_snapshot_age_seconds", "Age of the configuration snapshot by the database's time")
SNAPSHOT_NUMBER = Gauge("gateway_snapshot_number", "Number of the configuration in force")
SNAPSHOT_STALE = Gauge("gateway_snapshot_stale", "1 while the snapshot is older than 5 minutes, database up")
OUTGOING_WAITS = Counter("gateway_outgoing_association_waits_total", "Asked for an outgoing association, none was free")
REPORTS = Counter("gateway_ingest_commitment_reports_total", "N-EVENT-REPORTs by their answer", ["status"])
