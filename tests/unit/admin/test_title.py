"""What a title of the gateway's own may be."""

import pytest

from services.admin.title import build, contradictions
from services.runtime.errors import UsageError


def test_all_faults_are_told_at_once_with_their_values() -> None:
    with pytest.raises(UsageError) as caught:
        build({"title": "A\\B", "stations": ["WS1"], "associations": 5000})
    assert ["AE title" in str(caught.value), "--associations 5000" in str(caught.value)] == [True, True]


def test_it_names_defined_stations() -> None:
    title = build({"title": "RESEARCH", "stations": ["WS1", "WS2"]})
    assert contradictions(title, {"WS1", "WS2"}, "gateway") == []
    assert contradictions(title, {"WS2"}, "gateway") == [
        "title RESEARCH: --station WS1: no such station; add it first with 'gateway station add'"
    ]


def test_profile_xeleris_has_one_title() -> None:
    assert "(R10)" in contradictions(build({"title": "RESEARCH"}), set(), "xeleris")[0]
