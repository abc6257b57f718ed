"""Metrics every process has. Each service declares its own in its metrics.py with the prefix ``gateway_<service>_``."""

from prometheus_client import Counter, Gauge, Info

BUILD = Info("gateway_build", "Version of the gateway and the services in this process")
LOOP_LAG = Gauge("gateway_runtime_loop_lag_seconds", "How late the event loop ran its last heartbeat")
TASK_RESTARTS = Counter("gateway_runtime_task_restarts_total", "Supervised tasks started again", ["task"])
