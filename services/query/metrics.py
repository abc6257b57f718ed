"""Metrics of query. No label ever carries data from the wire."""

from prometheus_client import Counter, Histogram

QUERIES_ANSWERED = Counter("gateway_query_finds_total", "C-FIND requests by their last status", ["status"])
MATCHES_SENT = Counter("gateway_query_matches_total", "Matches sent")
FIND_SECONDS = Histogram(
    "gateway_query_find_seconds",
    "From the command set of a C-FIND to its last response",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600),
)

RETRIEVALS = Counter(
    "gateway_query_retrievals_total", "C-MOVE and C-GET by their final status", ["operation", "status"]
)
SUBOPERATIONS = Counter("gateway_query_suboperations_total", "Sub-operations by their result", ["result"])
RETRIEVE_SECONDS = Histogram(
    "gateway_query_retrieve_seconds",
    "From the command set of a C-MOVE or C-GET to its final response",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3600),
)
