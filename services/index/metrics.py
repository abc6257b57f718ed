"""Metrics of the index. No label ever carries data from the wire."""

from prometheus_client import Counter, Histogram

INDEXED = Counter("gateway_index_receipts_total", "Receipts written to the query tables", ["by"])
REMOVED = Counter("gateway_index_removed_total", "Instances taken out of the query tables", ["by"])
REFUSED = Counter("gateway_index_refused_total", "Receipts whose elements the database refused: indexed without them")
RECEIVED_TO_INDEXED_SECONDS = Histogram(
    "gateway_index_received_to_indexed_seconds",
    "From the time of a receipt until queries find its instance",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
BATCH_SECONDS = Histogram(
    "gateway_index_batch_seconds",
    "Time to index one batch of receipts",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
