"""The export of spans: nothing is imported while it is off, and no state of the collector stops who records."""

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.runtime import traces, traces_export
from services.runtime.objects import new_object_key
from services.runtime.settings import RuntimeSettings
from tests.collector import Collector
from tests.ingest_process import ingest_process
from tests.waiting import until

IMPORTING = ("env", "PYTHONPROFILEIMPORTTIME=1")
"""A Python under it says on stderr what it imports (PYTHONPROFILEIMPORTTIME)."""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path) as running:
        yield running


@pytest.fixture
def recording(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process has traces on; nothing of it is left afterwards."""
    monkeypatch.setenv("GATEWAY_TRACES_ENDPOINT", collector.endpoint)
    traces.start(RuntimeSettings.load(), "test", "1")
    try:
        yield
    finally:
        collector.stop()
        asyncio.run(traces.stop())
        until(lambda: not any("OtelBatch" in thread.name for thread in threading.enumerate()), limit=20, what="the end")


def spans(outcome: str) -> float:
    return REGISTRY.get_sample_value("gateway_traces_spans_total", {"outcome": outcome}) or 0


def record(count: int) -> None:
    for _ in range(count):
        traces.record(traces.RECEIVED, time.time_ns(), [traces.Span(new_object_key(datetime.now(UTC)), {})])


@pytest.mark.parametrize("wanted", [False, True], ids=["off", "on"])
def test_the_sdk_is_imported_only_where_traces_are_on(wanted: bool, tmp_path: Path, collector: Collector) -> None:
    settings = {"GATEWAY_TRACES_ENDPOINT": collector.endpoint if wanted else ""}
    with ingest_process(tmp_path / "home", settings, prefix=IMPORTING) as ingest:
        imported = (ingest.home / "ingest.log").read_text()
    assert "services.runtime.traces\n" in imported
    assert ("opentelemetry.sdk.trace\n" in imported) is wanted
    assert ("services.runtime.traces_export\n" in imported) is wanted


@pytest.mark.usefixtures("recording")
async def test_a_collector_that_answers_nothing_stops_nobody(collector: Collector) -> None:
    collector.frozen.set()
    dropped, began = spans("dropped"), time.monotonic()
    record(2 * traces_export.MOST_WAITING)
    assert time.monotonic() - began < traces_export.EXPORT_SECONDS, "recording waited for the collector"
    assert spans("dropped") - dropped >= traces_export.MOST_WAITING - 2 * traces_export.BATCH
    began = time.monotonic()
    await traces.stop()
    assert time.monotonic() - began < traces.STOP_SECONDS + 1
    assert not traces.on()


@pytest.mark.usefixtures("recording")
def test_what_a_collector_refuses_is_counted_and_said_once(
    collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.status = 400
    failed, exported = spans("failed"), spans("exported")
    record(1)
    until(lambda: spans("failed") == failed + 1, what="the refusal to be counted")
    record(2)
    until(lambda: spans("failed") == failed + 3, what="the next one to be counted")
    collector.status = 200
    record(3)
    until(lambda: spans("exported") == exported + 3, what="spans to be exported again")
    assert len(collector.spans) == 3
    told = capsys.readouterr().out
    assert told.count("traces_not_exported") == 1
    assert told.count("traces_exported_again") == 1
    assert "Bad Request" in told
