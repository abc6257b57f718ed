"""The way of spans to the collector: the only module that imports OpenTelemetry, loaded only where traces are on."""

import logging
import os
import socket
import threading
from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from services.runtime.traces import FLAGS, Ids, Span, Step
from services.runtime.traces_metrics import SPANS

MOST_WAITING: Final = 4096  # spans; what comes while so many wait is dropped
BATCH: Final = 256
EVERY_SECONDS: Final = 1.0
EXPORT_SECONDS: Final = 5.0  # for one batch, its repetitions included

log = structlog.get_logger(__name__)


class Export:
    """Makes spans and has them exported by a thread; what the collector does not take is counted and given up."""

    def __init__(self, endpoint: str, ratio: float, service: str, version: str) -> None:
        self.ratio = ratio
        self._ids = _GivenIds()
        self._exporter = _Exporter(endpoint)
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # what is not sampled does not come here
            resource=_resource(service, version),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(self._exporter, MOST_WAITING, EVERY_SECONDS * 1000, BATCH, EXPORT_SECONDS * 1000)
        )
        self._tracer = self._provider.get_tracer("dicom-gateway", version)

    def record(self, step: Step, ids: Ids, began: int, ended: int, told: Span) -> None:
        """Have one span exported, or drop it where too many wait. Times in nanoseconds since 1970."""
        if not self._exporter.room():
            SPANS.labels("dropped").inc()
            return
        self._ids.next = ids
        span = self._tracer.start_span(
            step.name, _context(ids), SpanKind[step.kind], {**told.attributes}, start_time=began
        )
        if told.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    def end(self) -> None:
        """Export what waits; may take as long as the collector does."""
        self._provider.shutdown()

    def give_up(self) -> None:
        """Count what still waits as failed."""
        self._exporter.shutdown()


class _GivenIds(IdGenerator, threading.local):
    """The ids that the thread was told, instead of random ones."""

    next = Ids(1, 1, None)

    def generate_span_id(self) -> int:
        return self.next.span

    def generate_trace_id(self) -> int:
        return self.next.trace

    def is_trace_id_random(self) -> bool:
        return True


class _Exporter(SpanExporter):
    """OTLP over HTTP that counts, and tells of an outage once instead of with every batch."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._reported = self._ended = False
        self._waiting = 0
        self._counting = threading.Lock()
        self._inner = trace_exporter.OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS)
        for outcome in ("exported", "failed", "dropped"):
            SPANS.labels(outcome)  # counts from 0

    def room(self) -> bool:
        """Whether one more may wait; then it is expected."""
        with self._counting:
            if self._waiting >= MOST_WAITING:
                return False
            self._waiting += 1
            return True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch. Called by one thread."""
        with self._counting:
            self._waiting -= len(spans)
        _said.first = ""
        result = SpanExportResult.FAILURE if self._ended else self._inner.export(spans)
        taken = result is SpanExportResult.SUCCESS
        SPANS.labels("exported" if taken else "failed").inc(len(spans))
        if taken and self._reported:
            log.info("traces_exported_again", endpoint=self._endpoint)
        elif not (taken or self._reported or self._ended):
            log.warning("traces_not_exported", endpoint=self._endpoint, reason=_said.first[:500])
        self._reported = not taken
        return result

    def shutdown(self) -> None:
        """Take nothing more. Idempotent."""
        if not self._ended:
            self._ended = True
            self._inner.shutdown()  # type: ignore[no-untyped-call]


class _LastWords(logging.Filter):
    """Keeps the library's words from the log; ``first`` is what it said first, the reason."""

    first = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.first = self.first or record.getMessage()
        return False


def _context(ids: Ids) -> Context:
    """Where the span hangs: below its parent, whoever exported that, or nowhere."""
    if ids.parent is None:
        return Context()
    parent = SpanContext(ids.trace, ids.parent, is_remote=True, trace_flags=TraceFlags(int(FLAGS, 16)))
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def _resource(service: str, version: str) -> Resource:
    return Resource.create(
        {
            "service.namespace": "dicom-gateway",
            "service.name": f"gateway-{service}",
            "service.version": version,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )


_said = _LastWords()
logging.getLogger(trace_exporter.__name__).addFilter(_said)
