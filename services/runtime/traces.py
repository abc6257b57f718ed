"""Traces: one for each receipt, a span for each step that became of it, to an OpenTelemetry collector (ADR 0049).

Like metrics they are the process's own. Unless ``GATEWAY_TRACES_ENDPOINT`` is set they are off, and OpenTelemetry's SDK
is not imported. Ids are made of the UUID in the key of the received object, which every service knows: whoever does a
step, woken by a message or by looking, adds to the same trace. Attributes are UIDs, AE titles, statuses and ids of our
own, never patient data.
"""

import asyncio
import hashlib
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import structlog

from services.runtime.errors import UsageError

if TYPE_CHECKING:
    from services.runtime.settings import RuntimeSettings
    from services.runtime.traces_export import Export

STOP_SECONDS = 2.0  # for what waits to be exported when the process ends
RANDOM_BITS: Final = 56  # of a trace id, the last ones (W3C Trace Context level 2, random-trace-id flag)
FLAGS: Final = "03"  # sampled, random
_KEY = re.compile(r"objects/(?:[0-9]+/)+([0-9a-f]{32})\.dcm")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Step:
    """A kind of span. The span of the step ``after`` which it comes is its parent; None: it begins the trace."""

    name: str
    kind: Literal["SERVER", "CLIENT", "CONSUMER", "INTERNAL"]
    after: "Step | None" = None


RECEIVED = Step("C-STORE received", "SERVER")
DURABLE = Step("made durable", "INTERNAL", RECEIVED)
RECORDED = Step("recorded", "CONSUMER", RECEIVED)
INDEXED = Step("indexed", "CONSUMER", RECORDED)
ROUTED = Step("routed", "CONSUMER", RECORDED)
SENT = Step("C-STORE sent", "CLIENT", ROUTED)
ASKED = Step("commitment asked", "CLIENT", SENT)


class Span(NamedTuple):
    """What is told of a receipt's step. ``which`` of several such steps it was, and ``after`` which of those before."""

    object_key: str
    attributes: Mapping[str, str | int | Sequence[str]]
    which: str = ""
    after: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Ids:
    """Of a span: trace id of 128 bits, span ids of 64 bits; ``parent`` is None for the first of the trace."""

    trace: int
    span: int
    parent: int | None


def trace_of(object_key: str) -> int | None:
    """The trace of a receipt: the UUID in the key of its object; None for a key that has none (pure)."""
    found = _KEY.fullmatch(object_key)
    return int(found[1], 16) if found else None


def ids_of(step: Step, trace: int, which: str = "", after: str = "") -> Ids:
    """The ids of a step's span: the same wherever they are asked for (pure)."""
    return Ids(trace, _span_id(step, trace, which), _span_id(step.after, trace, after) if step.after else None)


def is_sampled(trace: int, ratio: float) -> bool:
    """Whether a trace is among the sampled ones: the same answer in every process with this ratio (pure).

    As OpenTelemetry's consistent probability sampling compares: what is random of the id with a threshold.
    """
    return trace & ((1 << RANDOM_BITS) - 1) >= round((1 - ratio) * (1 << RANDOM_BITS))


_export: "Export | None" = None


def check(settings: "RuntimeSettings") -> None:
    """Load what traces need, for copies of this process too. Raises ``UsageError`` where it is not installed."""
    if settings.traces_endpoint:
        try:
            import services.runtime.traces_export  # noqa: F401 - imported here: only who wants traces has it
        except ModuleNotFoundError as error:
            raise UsageError(
                f"GATEWAY_TRACES_ENDPOINT={settings.traces_endpoint}: the extra traces is not installed (no module "
                f"{error.name}); install dicom-gateway[traces] (GATEWAY_EXTRAS=traces deploy/local/up) or unset it"
            ) from error


def start(settings: "RuntimeSettings", service: str, version: str) -> None:
    """Record from here on, if that is configured; call it in the process that records, not before a fork."""
    global _export
    if settings.traces_endpoint:
        from services.runtime.traces_export import Export

        _export = Export(settings.traces_endpoint, settings.traces_sample_ratio, service, version)


async def stop() -> None:
    """Export what waits, for a limited time, and record nothing more."""
    global _export
    export, _export = _export, None
    if export is not None:
        # A thread of its own that nobody waits for: one that hangs in a request must not keep the process.
        ending = threading.Thread(target=export.end, name="traces end", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, STOP_SECONDS)
        export.give_up()


def on() -> bool:
    """Whether anything is recorded."""
    return _export is not None


def record(step: Step, began: int, spans: Iterable[Span]) -> None:
    """A step that ends now was done for these receipts at once. ``began``: ``time.time_ns()``. Never raises nor waits.

    Hand over a generator where there may be many: while traces are off it is not run.
    """
    export = _export
    if export is None:
        return
    ended = time.time_ns()
    try:
        for span in spans:
            if (trace := trace_of(span.object_key)) is not None and is_sampled(trace, export.ratio):
                export.record(step, ids_of(step, trace, span.which, span.after), began, ended, span)
    except Exception as error:  # no fault of a trace may keep an instance
        log.error("span_not_recorded", step=step.name, exc_info=error)


def traceparent(step: Step, object_key: str, which: str = "") -> str | None:
    """The W3C traceparent of messages that follow from a step; None where it is not traced."""
    export = _export
    if export is None or (trace := trace_of(object_key)) is None or not is_sampled(trace, export.ratio):
        return None
    return f"00-{trace:032x}-{_span_id(step, trace, which):016x}-{FLAGS}"


def _span_id(step: Step, trace: int, which: str) -> int:
    digest = hashlib.sha256(f"{trace:032x} {step.name} {which}".encode()).digest()
    return int.from_bytes(digest[:8]) or 1
