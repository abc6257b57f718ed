"""P9: who may open an association."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from schemas.snapshot import LOCAL_COPY, CalledTitle, Snapshot, SnapshotError, SnapshotStation
from services.dicom.acceptance import SnapshotPolicy, judge
from services.dicom.configuration import Configuration, age_seconds
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.ingest.clock_watch import ahead_of_database
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
SNAPSHOT = Snapshot(
    number=3,
    rule_set=1,
    written_at=AT,
    stations=[
        SnapshotStation(title="SCANNER1"),
        SnapshotStation(title="OFF", enabled=False),
        SnapshotStation(title="NEAR", addresses=["10.1.0.0/16", "fd00::/8"]),
    ],
    titles=[CalledTitle(title="RESEARCH", stations=["NEAR"], associations=2), CalledTitle(title="ALIAS")],
)


@pytest.mark.parametrize(
    ("calling", "called", "peer", "codes"),
    [
        ("SCANNER1", "GATEWAY", "192.0.2.1", None),
        ("SCANNER1", "OTHER", "192.0.2.1", (1, 1, 7)),
        ("SCANNER1", "gateway", "192.0.2.1", (1, 1, 7)),
        ("NOBODY", "GATEWAY", "192.0.2.1", (1, 1, 3)),
        ("scanner1", "GATEWAY", "192.0.2.1", (1, 1, 3)),
        ("OFF", "GATEWAY", "192.0.2.1", (1, 1, 3)),
        ("NEAR", "GATEWAY", "10.1.2.3", None),
        ("NEAR", "GATEWAY", "::ffff:10.1.2.3", None),
        ("NEAR", "GATEWAY", "fd12::1%eth0", None),
        ("NEAR", "GATEWAY", "10.2.0.1", (1, 1, 3)),
        ("NEAR", "RESEARCH", "10.1.2.3", None),
        ("SCANNER1", "RESEARCH", "192.0.2.1", (1, 1, 3)),
        ("SCANNER1", "ALIAS", "192.0.2.1", None),
        ("NOBODY", "ALIAS", "192.0.2.1", (1, 1, 3)),
    ],
)
def test_who_is_let_in(calling: str, called: str, peer: str, codes: tuple[int, int, int] | None) -> None:
    rejection = judge(SNAPSHOT, "GATEWAY", calling, called, peer)
    assert (rejection and (rejection.result, rejection.source, rejection.reason)) == codes


def test_nobody_without_a_snapshot() -> None:
    rejection = judge(None, "GATEWAY", "SCANNER1", "GATEWAY", "10.1.2.3")
    assert rejection is not None
    assert (rejection.result, rejection.source, rejection.reason) == (2, 3, 1)


def test_a_title_of_its_own_limit_and_the_share_of_a_station() -> None:
    profile = profile_of("gateway", DicomSettings(incoming_associations=8))
    policy = SnapshotPolicy("GATEWAY", profile, lambda: SNAPSHOT)
    assert policy.shares("NEAR", "RESEARCH") == {"NEAR": 6, "\\RESEARCH": 2}
    assert policy.shares("NEAR", "GATEWAY") == {"NEAR": 6}


def test_an_address_that_is_none_is_an_error_which_closes() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        judge(SNAPSHOT, "GATEWAY", "NEAR", "GATEWAY", "somewhere")


def test_snapshot_survives_its_encoding() -> None:
    assert Snapshot.decode(SNAPSHOT.encode()) == SNAPSHOT


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"number":1', b"\xff"])
def test_what_is_no_snapshot(data: bytes) -> None:
    with pytest.raises(SnapshotError, match="no snapshot"):
        Snapshot.decode(data)


def test_a_snapshot_with_an_impossible_network_is_none() -> None:
    with pytest.raises(ValidationError):
        SnapshotStation(title="X", addresses=["10.0.0.0/99"])


@pytest.mark.parametrize(
    ("of_store", "store_ahead", "expected"), [(None, 1.0, None), (1.0, None, None), (-3.0, 1.0, -2.0)]
)
def test_clock_by_way_of_the_store(of_store: float | None, store_ahead: float | None, expected: float | None) -> None:
    assert ahead_of_database(of_store, store_ahead) == expected


def test_age_on_a_wrong_clock() -> None:
    assert age_seconds(AT, AT.replace(minute=10), 540.0) == 60.0


@pytest.mark.parametrize(("age_minutes", "database_up", "stale"), [(4, True, 0.0), (6, True, 1.0), (6, False, 0.0)])
def test_alarm_for_a_stale_snapshot_only_while_the_database_is_up(
    tmp_path: Path, age_minutes: int, database_up: bool, stale: float
) -> None:
    configuration = Configuration(LocalStore(tmp_path, Watermark(0, 0.0)), tmp_path)
    written = SNAPSHOT.model_copy(update={"written_at": datetime.now(UTC) - timedelta(minutes=age_minutes)})
    (tmp_path / LOCAL_COPY).write_bytes(written.encode())
    configuration.load()
    assert configuration.current == written
    configuration.watch_age(0.0, database_up=database_up)
    assert REGISTRY.get_sample_value("gateway_snapshot_stale") == stale
