"""A wrong clock: alarm above 2 s, refusal above 60 s, against the store's clock and the database's by the snapshot."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.factories import ct
from tests.ingest_process import IngestProcess, ingest_process, snapshot
from tests.integration.ingest.test_configuration import store
from tests.waiting import until

LIBRARY = next(iter(Path("/usr/lib").rglob("libfaketime.so.1")), Path("/usr/lib/libfaketime.so.1"))


def faked(offset: str) -> dict[str, str]:
    """The environment of a process whose clock is wrong; file times and monotonic time are not."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": offset,
        "NO_FAKE_STAT": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
        "GATEWAY_INGEST_CLOCK_CHECK_SECONDS": "0.2",
    }


@pytest.mark.parametrize("offset", ["-3h", "+15m", "+90s"])
def test_a_clock_that_is_far_off_is_refused(tmp_path: Path, offset: str) -> None:
    with ingest_process(tmp_path, faked(offset), ready=False) as ingest:
        status, checks = ingest.ready()
        assert status == 503
        assert "clock" in checks["clock"]
        assert store(ingest, ct(1)) == 0xA700
        assert ingest.stored() == []
        assert ingest.metric("gateway_ingest_clock_alarm") == 1
        assert any(line["event"] == "clock_wrong" for line in ingest.log())


def test_a_clock_that_is_a_little_off_alarms_and_receives(tmp_path: Path) -> None:
    with ingest_process(tmp_path, faked("+10s")) as ingest:
        assert store(ingest, ct(1)) == 0
        assert ingest.metric("gateway_ingest_clock_alarm") == 1
        assert ingest.metric('gateway_ingest_clock_skew_seconds{of="store"}') == pytest.approx(10, abs=1)


def test_the_databases_clock_counts_too_and_being_right_again_is_noticed(tmp_path: Path) -> None:
    settings = {"GATEWAY_INGEST_CLOCK_CHECK_SECONDS": "0.2"}
    with ingest_process(tmp_path, settings) as ingest:
        assert store(ingest, ct(1)) == 0
        configure_at(ingest, 2, timedelta(minutes=-5))
        until(lambda: ingest.ready()[0] == 503, limit=5, what="ingest not to be ready")
        assert store(ingest, ct(2)) == 0xA700
        configure_at(ingest, 3, timedelta())
        until(lambda: ingest.ready()[0] == 200, limit=5, what="ingest to be ready")
        assert store(ingest, ct(2)) == 0


def configure_at(ingest: IngestProcess, number: int, ahead: timedelta) -> None:
    """A snapshot of a database whose clock is that far ahead."""
    made = snapshot(number)
    ingest.configure(made.model_copy(update={"written_at": made.written_at + ahead}))
