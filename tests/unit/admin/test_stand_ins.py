"""Which stations may stand in for one another, and share what is sent."""

import pytest

from services.admin.stand_ins import impossible, naming
from services.admin.station import Station


def station(title: str, **fields: object) -> Station:
    return Station.model_validate({"title": title, "host": "127.0.0.1", "port": 104, "store": True} | fields)


OTHERS = {
    "SPARE": station("SPARE"),
    "SOURCE": station("SOURCE", store=False),
    "GROUP": station("GROUP", balance_with=["MEMBER"]),
    "MEMBER": station("MEMBER"),
    "CARED": station("CARED", failover="SPARE"),
}


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (station("A", failover="SPARE", balance_with=["SPARE", "MEMBER"]), ""),
        (station("A", failover="NOBODY"), "--failover NOBODY: no such station; add it first"),
        (station("A", failover="SOURCE"), "--failover SOURCE: it may not be sent to"),
        (station("A", failover="A"), "--failover A: that is the station itself"),
        (station("A", balance_with=["A"]), "--balance-with A: that is the station itself"),
        (station("A", balance_with=["GROUP"]), "--balance-with GROUP: it has a group of its own"),
        (station("MEMBER", balance_with=["SPARE"]), "--balance-with: station GROUP shares with it already"),
        (station("SPARE", store=False), "--no-store: station CARED names it"),
        (station("MEMBER", store=False), "--no-store: station GROUP names it"),
    ],
)
def test_what_the_others_do_not_allow(one: Station, said: str) -> None:
    found = impossible(one, {title: other for title, other in OTHERS.items() if title != one.title})
    assert len(found) == bool(said)
    assert "".join(found).startswith(said)


def test_who_names_a_station() -> None:
    assert naming("SPARE", OTHERS.values()) == ["CARED"]
    assert naming("MEMBER", OTHERS.values()) == ["GROUP"]
    assert naming("GROUP", OTHERS.values()) == []
