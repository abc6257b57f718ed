"""Metrics every process has. Each service declares its own in its metrics.py with the prefix ``gateway_<service>_``.

docs/metrics.md is made of these declarations. Series whose labels are known beforehand are made at the start, so that
they count from 0: Prometheus sees no increase in a series that begins with 1.
"""

from prometheus_client import Counter, Gauge, Histogram, Info

BUILD = Info("gateway_build", "Version of the gateway and the services in this process")
LOOP_LAG = Gauge("gateway_runtime_loop_lag_seconds", "How late the event loop ran its last heartbeat")
TASK_RESTARTS = Counter("gateway_runtime_task_restarts_total", "Supervised tasks started again", ["task"])
OBJECTS_FREE = Gauge("gateway_runtime_objects_free_bytes", "Room left in the local object store when last measured")
OBJECTS_REFUSED_BELOW = Gauge(
    "gateway_runtime_objects_refused_below_bytes", "The watermark: with less room left no instance is received"
)
OBJECT_COMMIT = Histogram(
    "gateway_runtime_object_commit_seconds",
    "Time to make an object durable: fsync and rename, or upload",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
