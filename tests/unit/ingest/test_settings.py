"""How incoming associations are shared among stations."""

import pytest

from services.ingest.settings import IngestSettings


@pytest.mark.parametrize(
    ("associations", "per_station", "share"),
    [(64, None, 48), (4, None, 3), (3, None, 2), (2, None, 1), (1, None, 1), (64, 10, 10), (64, 64, 63), (8, 100, 7)],
)
def test_one_station_never_gets_all_associations(associations: int, per_station: int | None, share: int) -> None:
    """Unless there is only one."""
    settings = IngestSettings(associations=associations, associations_per_station=per_station)
    assert settings.share == share
