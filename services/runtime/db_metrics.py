"""Metrics of the database."""

from prometheus_client import Counter, Gauge, Histogram

AVAILABLE = Gauge("gateway_database_available", "1 while PostgreSQL answers this process")
ERRORS = Counter("gateway_database_errors_total", "Transactions that failed, by what it meant", ["meaning"])
TRANSACTION_SECONDS = Histogram(
    "gateway_database_transaction_seconds",
    "Transactions from asking for a connection to the committed end",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
