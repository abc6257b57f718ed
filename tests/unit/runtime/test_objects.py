"""Keys, watermark and clock comparison of the object store: decisions without a store."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import clock
from services.runtime.objects import FreeSpace, Watermark, checked_folder, is_key, measured_skew, new_object_key

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_key_says_the_hour_in_utc() -> None:
    local = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    key = new_object_key(local)
    assert re.fullmatch(r"objects/2025/12/31/23/[0-9a-f]{32}\.dcm", key)
    assert is_key(key)


def test_keys_are_version_7_and_in_the_order_of_time() -> None:
    keys = [new_object_key(NOON + timedelta(milliseconds=n // 50)) for n in range(2000)]
    assert keys == sorted(keys)
    assert len(set(keys)) == 2000
    assert {key.rpartition("/")[2][12] for key in keys} == {"7"}
    assert {key.rpartition("/")[2][16] for key in keys} <= set("89ab")
    assert int(keys[0].rpartition("/")[2][:12], 16) == int(NOON.timestamp() * 1000)


@pytest.mark.parametrize("text", ["objects/2026/11/23/20/0a.dcm", "config/snapshot.json", "a/b"])
def test_keys(text: str) -> None:
    assert is_key(text)


@pytest.mark.parametrize("text", ["a", "/a/b", "a/b/", "a//b", "a/../b", "a/.b", "a/b.part", "a/B", "a/b\n", "a/b\0"])
def test_no_keys(text: str) -> None:
    assert not is_key(text)


def test_folders_lose_slashes_at_their_ends() -> None:
    assert checked_folder("objects/") == "objects"
    with pytest.raises(ValueError, match="no folder"):
        checked_folder("../etc")


@pytest.mark.parametrize(
    ("free", "total", "refuses"),
    [(100, 1000, False), (99, 1000, True), (100, 3000, True), (150, 3000, False), (None, None, False)],
)
def test_the_watermark_is_the_larger_of_bytes_and_fraction(free: int | None, total: int | None, refuses: bool) -> None:
    assert Watermark(100, 0.05).refuses(FreeSpace(free, total)) is refuses


@pytest.mark.parametrize(("free", "total", "spent"), [(25, 1000, False), (24, 1000, True), (None, None, False)])
def test_in_an_emergency_a_quarter_of_the_watermark_is_left(free: int | None, total: int | None, spent: bool) -> None:
    space = FreeSpace(free, total)
    assert Watermark(100, 0.05).spent(space) is spent
    assert Watermark(100, 0.05).refuses(space) or not spent


@given(st.floats(-1e6, 1e6), st.floats(0, 10), st.floats(0, 1))
def test_a_skew_is_found_within_the_time_the_write_took(ahead: float, took: float, at: float) -> None:
    before, stored = 1e9 + ahead, 1e9 + at * took
    assert measured_skew(before, stored, before + took) == pytest.approx(ahead, abs=took + 1e-3)


def test_a_right_clock_has_no_skew() -> None:
    assert measured_skew(10.0, 10.5, 11.0) == 0.0


@pytest.mark.parametrize(
    ("skew", "alarming", "refused"),
    [(None, False, False), (0.0, False, False), (2.0, False, False), (2.1, True, False), (-2.1, True, False),
     (60.0, True, False), (60.1, True, True), (-10_800.0, True, True)],
)  # fmt: skip
def test_wrong_clocks_alarm_and_refuse(skew: float | None, alarming: bool, refused: bool) -> None:
    assert clock.is_alarming(skew) is alarming
    assert (clock.refusal("the database", skew) is not None) is refused


def test_the_refusal_names_direction_and_cure() -> None:
    assert clock.refusal("the database", -10_800.0) == (
        "this host's clock is 10800 s behind the clock of the database; synchronise it (NTP)"
    )
    assert clock.now().utcoffset() == timedelta(0)
