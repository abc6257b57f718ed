"""Metrics of traces."""

from prometheus_client import Counter

SPANS = Counter(
    "gateway_traces_spans_total",
    "Spans that were exported, failed because the collector did not take them, or were dropped because too many waited",
    ["outcome"],
)
