"""Which folders are swept, listed and closed."""

from datetime import UTC, datetime, timedelta

import pytest

from services.dicom.acceptance import allowed_networks
from services.runtime.objects import ObjectStat
from services.storage.folders import OpenFolder, closable, day_prefixes
from services.storage.full_sweep import span

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_folder_is_settled_only_after_two_listings_without_a_change_a_second_apart() -> None:
    folder = OpenFolder()
    for at, settled in ((10.0, False), (10.5, False), (11.0, True)):
        folder.saw([], set(), NOON, at)
        assert folder.settled(NOON) is settled
    assert not folder.settled(NOON + timedelta(seconds=1))
    folder.saw([], set(), NOON + timedelta(seconds=1), 12.0)
    assert not folder.settled(NOON + timedelta(seconds=1))


def test_a_store_that_tells_no_time_is_always_listed() -> None:
    folder = OpenFolder()
    for at in (10.0, 20.0, 30.0):
        folder.saw([], set(), None, at)
        assert not folder.settled(None)


def test_what_was_listed_is_known() -> None:
    folder = OpenFolder()
    found = [ObjectStat("objects/a", 1, NOON), ObjectStat("objects/b", 1, NOON + timedelta(seconds=9))]
    folder.saw(found, {"objects/b"}, NOON, 1.0)
    assert folder.known == {"objects/a", "objects/b"}
    assert (folder.objects, folder.unreadable, folder.newest) == (2, 1, NOON + timedelta(seconds=9))


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
