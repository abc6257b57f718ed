"""What a station may be."""

import contextlib
import ipaddress
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.admin.station import Station, build, changed, contradictions, valid_title
from services.runtime.errors import UsageError

PRINTABLE = "".join(set(map(chr, range(0x20, 0x7F))) - {"\\"})
ALLOWED = st.text(PRINTABLE, min_size=1, max_size=16).filter(lambda text: text.strip(" "))


def station(title: str = "ARCHIVE1", **fields: object) -> Station:
    return build({"title": title, "host": "127.0.0.1", "port": 104, **fields})


@given(ALLOWED, st.text(" ", max_size=3), st.text(" ", max_size=3))
def test_blanks_around_a_title_mean_nothing(title: str, before: str, after: str) -> None:
    assert valid_title(before + title + after) == title.strip(" ")


@given(st.text(max_size=40))
def test_a_title_is_taken_only_as_the_standard_allows_it(text: str) -> None:
    core = text.strip(" ")
    legal = 1 <= len(core) <= 16 and all(letter in PRINTABLE for letter in core)
    if legal:
        assert valid_title(text) == core
    else:
        with pytest.raises(ValueError, match="AE title"):
            valid_title(text)


@given(ALLOWED, st.sampled_from("\\\n\t\x00\x7fäÄ\u00a0日\u202e"), st.integers(0, 16))
def test_one_forbidden_character_anywhere_is_refused(title: str, bad: str, place: int) -> None:
    with pytest.raises(UsageError, match="AE title"):
        station(title[:place] + bad + title[place:])


@given(st.integers())
def test_ports(port: int) -> None:
    if 1 <= port <= 65535:
        assert station(port=port).port == port
    else:
        with pytest.raises(UsageError, match=f"--port {port}"):
            station(port=port)


@given(st.ip_addresses())
def test_every_ip_address_is_a_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert station(host=str(address)).host == str(address)


@given(st.text(string.ascii_letters + string.digits + " /:@#?%\n-_.", max_size=30))
def test_a_host_is_never_something_else(host: str) -> None:
    with contextlib.suppress(UsageError):
        assert set(station(host=host).host) <= set(string.ascii_letters + string.digits + "-_.:")


@pytest.mark.parametrize("host", ["", " ", "-a.example", "a..b", "256.1.1.1", "10.0.0", "x y", "a" * 64, "http://pacs"])
def test_hosts_that_cannot_be(host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        station(host=host)


def test_networks_are_normalised_and_host_bits_refused() -> None:
    assert station(addresses=["10.1.2.0/24", "10.1.2.3"]).addresses == ["10.1.2.0/24", "10.1.2.3/32"]
    with pytest.raises(UsageError, match=r"--addresses '10\.1\.2\.3/24'"):
        station(addresses=["10.1.2.3/24"])


def test_a_schedule_says_how_a_window_is_written() -> None:
    assert station(schedule=["daily  18:00-06:00  UTC"]).schedule == ["daily 18:00-06:00 UTC"]
    with pytest.raises(
        UsageError, match="--schedule 'daily 18:00-06:00': write days, from-to and a time zone, such as"
    ):
        station(schedule=["daily 18:00-06:00"])


def test_all_faults_are_told_at_once_with_their_values() -> None:
    with pytest.raises(UsageError) as caught:
        station("A\\B", host="x y", port=0, associations=17, retry_hours=0)
    text = str(caught.value)
    assert [
        name in text for name in ("AE title", "--host 'x y'", "--port 0", "--associations 17", "--retry-hours 0")
    ] == [True] * 5


def test_a_station_cannot_commit_on_itself() -> None:
    with pytest.raises(UsageError, match="cannot commit on itself"):
        station("ARCHIVE1", commit_on=" ARCHIVE1 ", commit_server=True)


def test_commit_on_names_a_defined_commit_server() -> None:
    one = station("WS1", commit_on="ARCHIVE1")
    assert contradictions(one, []) == [
        "station WS1: --commit-on ARCHIVE1: no such station; add it first with --commit-server"
    ]
    assert "is no commit server" in contradictions(one, [station("ARCHIVE1")])[0]
    assert contradictions(one, [station("ARCHIVE1", commit_server=True)]) == []


def test_a_commit_server_that_others_commit_on_stays_one() -> None:
    others = [station("WS2", commit_on="ARCHIVE1"), station("WS1", commit_on="ARCHIVE1")]
    found = contradictions(station("ARCHIVE1"), others)
    assert ["WS1" in text or "WS2" in text for text in found] == [True, True]
    assert contradictions(station("ARCHIVE1", commit_server=True), others) == []


def test_archives_downstream_are_stations_that_commit() -> None:
    one = station("CT1", commit_downstream=["ARCHIVE1"])
    assert contradictions(one, []) == [
        "station CT1: --commit-downstream ARCHIVE1: no such station; add it first with --commit-server"
    ]
    server = station("VNA", commit_server=True)
    assert "nobody commits what that station is sent" in contradictions(one, [server, station("ARCHIVE1")])[0]
    able = (station("ARCHIVE1", commit_server=True), station("ARCHIVE1", commit_on="VNA"))
    assert [contradictions(one, [server, archive]) for archive in able] == [[], []]
    (kept,) = contradictions(station("ARCHIVE1"), [one])
    assert "station CT1 waits for its commitment" in kept
    assert [contradictions(archive, [server, one]) for archive in able] == [[], []]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"commit_downstream": ["CT1"]}, "no archive downstream of itself"),
        ({"report_titles": ["CT1 "]}, "its own title anyway"),
        ({"report_titles": ["REPORTS\\1"]}, "--report-titles"),
    ],
)
def test_titles_of_commitment_that_mean_nothing(fields: dict[str, list[str]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        station("CT1", **fields)


@pytest.mark.parametrize(
    ("given", "kept"), [(["0122"], ["0122"]), ([" a7XX", "c00x"], ["A7xx", "C00x"]), ([], []), (["Axxx"], ["Axxx"])]
)
def test_failures_that_are_tried_again(given: list[str], kept: list[str]) -> None:
    assert station(retry_statuses=given).retry_statuses == kept


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("A7", "write four hexadecimal digits"),
        ("B000", "B000 is no failure"),
        ("Bxxx", "B000 is no failure"),
        ("0000", "0000 is no failure"),
        ("01xx", "0107 is no failure"),
        ("FExx", "FE00 is no failure"),
    ],
)
def test_what_a_station_has_is_never_sent_again(pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"--retry-statuses '{pattern}': {said}"):
        station(retry_statuses=[pattern])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("retry_errors", ["broken"]),
        ("retry_first_seconds", 0),
        ("retry_factor", 0.5),
        ("retry_most_seconds", 86_401),
        ("retry_attempts", 0),
        ("instances_per_second", 0),
        ("megabytes_per_second", float("nan")),
        ("idle_seconds", -2),
        ("association_instances", 0),
    ],
)
def test_impossible_ways_of_sending_are_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match="--" + field.replace("_", "-")):
        station(**{field: value})


def test_only_one_station_takes_pet_raw_data() -> None:
    assert "station PET1 has it" in contradictions(station(pet_raw=True), [station("PET1", pet_raw=True)])[0]
    assert contradictions(station(pet_raw=False), [station("PET1", pet_raw=True)]) == []


def test_a_change_keeps_what_is_not_given() -> None:
    before = station(store=True, description="PACS", addresses=["10.0.0.0/8"])
    after = changed(before, {"port": 11112})
    assert after == before.model_copy(update={"port": 11112})
