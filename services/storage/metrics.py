"""Metrics of storage. No label ever carries data from the wire."""

from prometheus_client import Counter, Gauge, Histogram

RECORDED = Counter("gateway_storage_recorded_total", "Receipts recorded", ["by", "disposition"])
REFUSED = Counter("gateway_storage_refused_total", "Receipts the database refused: recorded without facts, or not")
RECEIVED_TOO_OFTEN = Counter(
    "gateway_storage_received_too_often_total",
    "Receipts of an instance that was received too often lately: stations may send it in a circle",
    ["station"],
)
BATCH_SECONDS = Histogram(
    "gateway_storage_batch_seconds",
    "Time to record one batch of receipts",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
BATCH_SIZE = Histogram("gateway_storage_batch_size", "Receipts in a batch", buckets=(1, 2, 5, 10, 25, 50, 100))
SWEEP_SECONDS = Histogram(
    "gateway_storage_sweep_seconds",
    "Time of one sweep of the open folders",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300),
)
LEADING = Gauge("gateway_storage_leading", "1 in the process that sweeps, deletes and scrubs")
OPEN_FOLDERS = Gauge("gateway_storage_open_folders", "Folders of the object store that are swept every few seconds")
UNREADABLE = Gauge("gateway_storage_unreadable_objects", "Objects in open folders that cannot be recorded")
WATERMARK = Gauge("gateway_storage_recorded_through_seconds", "Unix time up to which everything is recorded")
FULL_SWEEP_FINISHED = Gauge("gateway_storage_full_sweep_finished_seconds", "Unix time the last full sweep ended")
FULL_SWEEP_FOLDERS = Counter("gateway_storage_full_sweep_folders_total", "Folders looked through by full sweeps")
MISSING = Counter("gateway_storage_missing_total", "Objects that a full sweep did not find though they are recorded")
DELETED = Counter("gateway_storage_deleted_total", "Objects deleted", ["why"])
for _why in ("instance", "duplicate"):
    DELETED.labels(_why)  # counts from 0
RETENTION = Counter("gateway_storage_retention_total", "Studies that retention looked at", ["outcome"])
RETENTION_STUDIES = Gauge("gateway_storage_retention_studies", "Studies by what retention knows of them", ["state"])
DAMAGED = Counter("gateway_storage_damaged_total", "Objects whose hash was wrong or that were gone")
SCRUBBED_BYTES = Counter("gateway_storage_scrubbed_bytes_total", "Bytes of objects read again to check their hashes")
SNAPSHOTS = Counter("gateway_storage_snapshots_total", "Configuration snapshots written")
