"""What of a text that is searched for the index of trigrams is asked for."""

import pytest

from services.admin.patients.search import trigrams


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("%Bone%", ["bon", "one"]),
        ("%AB%", []),
        ("%ab_cd%", []),
        ("%abc%bcd%", ["abc", "bcd"]),
        (r"%5\%_\_ a\\%", [" a\\", "_ a"]),
        ("%öab_abc", ["abc", "öab"]),
    ],
)
def test_every_text_that_fits_has_them(pattern: str, found: list[str]) -> None:
    assert trigrams(pattern) == sorted(found)
