"""Metrics of the bus, the outbox and the dead letters."""

from prometheus_client import Counter, Gauge, Histogram

AVAILABLE = Gauge("gateway_bus_available", "1 while RabbitMQ confirms what this process publishes")
PUBLISHED = Counter("gateway_bus_published_total", "Publishes by outcome", ["outcome"])
PUBLISH_SECONDS = Histogram(
    "gateway_bus_publish_seconds",
    "From publish to the broker's confirm",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
CONSUMED = Counter("gateway_bus_consumed_total", "Messages by what became of them", ["queue", "outcome"])
BATCH = Histogram(
    "gateway_bus_batch_size", "Messages a handler got at once", ["queue"], buckets=(1, 2, 5, 10, 25, 50, 100)
)
HANDLER_SECONDS = Histogram("gateway_bus_handler_seconds", "One call of a handler", ["queue"])
CONSUMING = Gauge("gateway_bus_consuming", "1 while subscribed to the queue", ["queue"])
QUEUE_MESSAGES = Gauge(
    "gateway_bus_queue_messages",
    "Messages that wait in a queue this process consumes, those it has in hand left out (as it last saw)",
    ["queue"],
)
CONSUMERS_MISSING = Counter("gateway_bus_consumers_missing_total", "Reconnects because the broker had lost a consumer")
RELAYED = Counter("gateway_outbox_relayed_total", "Outbox rows published and confirmed")
UNPUBLISHED = Gauge("gateway_outbox_unpublished", "Outbox rows not yet published (as this process last saw)")
OUTBOX_OLDEST_SECONDS = Gauge(
    "gateway_outbox_oldest_seconds", "How long the oldest outbox row waits to be published, 0 if none does"
)
DEAD_LETTERS = Counter("gateway_dead_letters_total", "Messages parked in runtime.dead_letter", ["queue"])
RECONCILED = Counter("gateway_runtime_reconciled_total", "Effects made by a reconciler instead of a message", ["name"])
