"""Which folders are swept, listed and closed."""

import time
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dicom.acceptance import allowed_networks
from services.runtime.objects import new_object_key
from services.storage.folders import KnownNames, OpenFolder, closable, day_prefixes
from services.storage.full_sweep import span

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_folder_is_settled_only_after_two_listings_without_a_change_a_second_apart() -> None:
    folder = OpenFolder()
    for at, settled in ((10.0, False), (10.5, False), (11.0, True)):
        folder.saw([], 0, NOON, at)
        assert folder.settled(NOON) is settled
    assert not folder.settled(NOON + timedelta(seconds=1))
    folder.saw([], 0, NOON + timedelta(seconds=1), 12.0)
    assert not folder.settled(NOON + timedelta(seconds=1))


def test_a_store_that_tells_no_time_is_always_listed() -> None:
    folder = OpenFolder()
    for at in (10.0, 20.0, 30.0):
        folder.saw([], 0, None, at)
        assert not folder.settled(None)


def test_only_what_was_not_seen_before_is_fresh() -> None:
    folder = OpenFolder()
    first = [name(NOON + timedelta(seconds=9)), name(NOON), "0.dcm"]
    assert folder.fresh(told(first)) == sorted(first)
    assert folder.fresh(told(first)) == sorted(first), "not recorded yet"
    folder.saw(first, 1, NOON, 1.0)
    late = name(NOON + timedelta(seconds=1))
    assert folder.fresh(told([late, *first[1:]])) == [late]
    assert (folder.objects, folder.unreadable) == (3, 1)
    folder.saw([late], 1, NOON, 2.0)
    assert folder.unreadable == 2
    folder.known.clear()
    folder.saw(folder.fresh(told([*first, late])), 1, NOON, 3.0)
    assert folder.unreadable == 1


names = st.one_of(
    st.sampled_from(["0.dcm", "a.dcm", "0" * 31 + ".dcm", "0" * 32 + ".dcm.gz", "00 " * 16 + ".dcm"]),
    st.builds(lambda number: f"{number:032x}.dcm", st.integers(0, 2**128 - 1) | st.integers(0, 2**20)),
)


@given(st.sets(names), st.sets(names))
def test_it_knows_the_names_it_was_given_and_no_others(given_names: set[str], others: set[str]) -> None:
    known = KnownNames()
    known.add(given_names)
    assert {each for each in given_names | others if each in known} == given_names
    assert len(known) == len(given_names)
    assert bool(known) is bool(given_names)


def test_the_newest_is_what_the_store_says_and_outlives_what_is_forgotten() -> None:
    folder = OpenFolder()
    times = [NOON, NOON + timedelta(seconds=9), NOON + timedelta(seconds=1)]
    folder.saw(folder.fresh([(f"{at:%S}.dcm", at) for at in times]), 0, None, 1.0)
    folder.known.clear()
    assert folder.newest == max(times)
    assert OpenFolder().newest is None


def test_an_hour_of_a_hundred_thousand_takes_little_memory_and_time() -> None:
    hour = [name(NOON + timedelta(milliseconds=each * 36)) for each in range(100_000)]
    folder = OpenFolder()
    tracemalloc.start()
    folder.saw(hour, 0, NOON, 1.0)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 24 * len(hour)
    began = time.process_time()
    assert folder.fresh(told(hour)) == []
    assert time.process_time() - began < 1.0


def told(names: list[str]) -> list[tuple[str, datetime | None]]:
    """As a local store tells them."""
    return [(each, None) for each in names]


def name(made: datetime) -> str:
    """As that of an object that is received then."""
    return new_object_key(made).rpartition("/")[2]


@pytest.mark.parametrize(("changed", "closes"), [(None, False), (0, False), (7200, False), (7201, True)])
def test_closing_by_the_age_of_the_last_change(changed: int | None, closes: bool) -> None:
    at = None if changed is None else NOON - timedelta(seconds=changed)
    assert closable(at, NOON, 7200) is closes


def test_days_around_midnight() -> None:
    assert list(day_prefixes(NOON)) == ["objects/2026/03/01"]
    assert list(day_prefixes(NOON.replace(hour=0))) == ["objects/2026/02/28", "objects/2026/03/01"]


def test_span_of_receipts_covers_slow_senders() -> None:
    since, until = span("objects/2026/03/01/12")
    assert (since, until) == (NOON, NOON + timedelta(hours=13))
    with pytest.raises(ValueError, match="does not match"):
        span("objects/2026/03/01")


@pytest.mark.parametrize(
    ("host", "addresses", "networks"),
    [
        ("10.0.0.7", [], ["10.0.0.7"]),
        ("pacs.example", [], []),
        ("10.0.0.7", ["10.0.0.0/24"], ["10.0.0.0/24"]),
        ("::1", [], ["::1"]),
    ],
)
def test_where_a_station_may_come_from(host: str, addresses: list[str], networks: list[str]) -> None:
    assert allowed_networks(host, addresses) == networks
