"""Metrics of the forwarder. Destinations are configured AE titles; nothing else from the wire is a label."""

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Counter("gateway_forwarder_deliveries_total", "Attempts by what they led to", ["destination", "outcome"])
OLDEST_SECONDS = Gauge(
    "gateway_forwarder_oldest_waiting_seconds", "Age of the oldest waiting delivery", ["destination"]
)
WAITING = Gauge("gateway_forwarder_waiting_deliveries", "Deliveries that may go and have not", ["destination"])
HELD = Gauge("gateway_forwarder_held_deliveries", "Deliveries that wait for the end of a hold", ["destination"])
SHUT = Gauge("gateway_forwarder_shut_deliveries", "Deliveries that wait for their schedule to open", ["destination"])
HELD_WITHOUT_END_SECONDS = Gauge(
    "gateway_forwarder_held_without_end_seconds",
    "Time the oldest delivery has been held by a hold that only a person ends",
    ["destination"],
)
CIRCUIT_OPEN = Gauge("gateway_forwarder_circuit_open", "1 while the destination is left alone", ["destination"])
OF_DESTINATIONS = (OLDEST_SECONDS, WAITING, CIRCUIT_OPEN, HELD, HELD_WITHOUT_END_SECONDS, SHUT)
REJECTED = Counter(
    "gateway_forwarder_permanent_rejections_total", "Associations the destination rejected for good", ["destination"]
)
OBJECT_FAULTS = Counter("gateway_forwarder_object_faults_total", "Objects that were missing or damaged when to be sent")
PRESENCE_QUERIES = Counter(
    "gateway_forwarder_presence_queries_total",
    "C-FINDs that ask a destination what it has before it is sent anything, by whether it told",
    ["destination", "outcome"],
)
SEND_SECONDS = Histogram(
    "gateway_forwarder_send_seconds",
    "C-STORE request to response",
    ["destination"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120),
)
SENT_BYTES = Counter(
    "gateway_forwarder_sent_bytes_total", "Bytes of the data sets a destination has taken", ["destination"]
)
RECEIVED_TO_DELIVERED_SECONDS = Histogram(
    "gateway_forwarder_received_to_delivered_seconds",
    "From the time of a receipt until the destination has what a rule sends there, holds and schedules included",
    ["destination"],
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400),
)
EVALUATE_SECONDS = Histogram(
    "gateway_forwarder_evaluate_seconds",
    "Time to evaluate one batch of receipts and write its jobs and deliveries",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
EVALUATED = Counter("gateway_forwarder_evaluated_total", "Receipts evaluated", ["by"])
RULE_HITS = Counter("gateway_forwarder_rule_hits_total", "Receipts that a rule matched", ["rule"])
UNMATCHED = Counter("gateway_forwarder_unmatched_total", "Receipts that no rule matched: nothing is sent of them")
UNEVALUABLE = Counter("gateway_forwarder_unevaluable_total", "Receipts whose rule set does not exist")
RELEASED = Counter("gateway_forwarder_released_jobs_total", "Jobs whose series or study was complete")
LEASES_EXPIRED = Counter("gateway_forwarder_leases_expired_total", "Deliveries whose worker died or could not renew")
ASSOCIATIONS = Gauge("gateway_forwarder_associations", "Outgoing associations open or being opened by this process")
RETRIEVALS = Counter("gateway_forwarder_retrievals_total", "Retrieve jobs by how they ended", ["state"])
