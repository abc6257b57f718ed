"""Query and retrieve as SCU in profile xeleris: what goes out, and what every answer does (R16, R17, R51 to R70)."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydicom import Dataset

from tests.conformance.expected import ENHANCED_SR, proposed
from tests.conformance.whole import TITLE, WholeGateway
from tests.stations.archive import CANCELED, MATCH, Archive, Asked, match, matching, study
from tests.waiting import until

FIND_STATUSES = {
    0xA700: "Refused: Out of resources",
    0xA900: "Error: Identifier does not match SOP Class",
    0xC000: "Error: Unable to process",
    0x0122: "",
}
"""Failures of a query with their meaning; the last one is not named by the statement."""
MOVE_STATUSES = {
    0x0000: ("COMPLETED", ""),
    0xA701: ("FAILED", "Refused: Out of resources - Unable to calculate number of matches"),
    0xA702: ("FAILED", "Refused: Out of resources - Unable to perform sub-operations"),
    0xA801: ("FAILED", "Refused: Move Destination Unknown"),
    0xA900: ("FAILED", "Error: Identifier does not match SOP Class"),
    0xC000: ("FAILED", "Error: Unable to process"),
    0xFE00: ("CANCELED", "Sub-operations terminated due to a Cancel indication"),
    0xB000: ("COMPLETED", "Sub-operations Complete - One or more Failures"),
    0x0122: ("FAILED", ""),
}
FILTERS = {
    "patient-name": ("PatientName", "DOE^*"),
    "patient-id": ("PatientID", "4711"),
    "study-id": ("StudyID", "S*"),
    "study-description": ("StudyDescription", "bone?scan*"),
    "accession": ("AccessionNumber", "A1"),
    "study-date": ("StudyDate", "20260101-20260131"),
    "modalities": ("ModalitiesInStudy", "NM"),
}
STUDY_KEYS = (
    "AccessionNumber ModalitiesInStudy PatientID PatientName QueryRetrieveLevel StudyDate StudyDescription StudyID "
    "StudyInstanceUID StudyTime"
)
SERIES_KEYS = (
    "Modality NumberOfSeriesRelatedInstances QueryRetrieveLevel SeriesDate SeriesDescription SeriesInstanceUID "
    "SeriesNumber SeriesTime StudyInstanceUID"
)
IMAGE_KEYS = (
    "Columns ImageID ImageIndex InstanceNumber NumberOfFrames QueryRetrieveLevel Rows SOPInstanceUID "
    "SeriesInstanceUID StudyInstanceUID"
)
REPORT_KEYS = "CompletionFlag ConceptNameCodeSequence VerificationFlag VerifyingObserverSequence"

Source = Callable[..., tuple[str, Archive]]
numbers = itertools.count(1)


@pytest.fixture
def source(xeleris: WholeGateway) -> Iterator[Source]:
    """Adds an archive as a station; its title, and the archive."""
    with ExitStack() as stack:

        def add(*flags: str, lacks: tuple[str, ...] = ()) -> tuple[str, Archive]:
            archive = stack.enter_context(Archive(lacks=lacks))
            title = f"SOURCE{next(numbers)}"
            xeleris.add_station(title, archive.port, *(flags or ("--query-retrieve",)))
            return title, archive

        yield add


@pytest.fixture(scope="module")
def destination(xeleris: WholeGateway) -> str:
    """A station that others send to."""
    xeleris.add_station("FETCHER", 104)
    return "FETCHER"


def keys(identifier: Dataset) -> list[str]:
    return sorted(element.keyword for element in identifier)


def values(identifier: Dataset) -> dict[str, str]:
    return {each.keyword: str(each.value) for each in identifier if each.VR != "SQ" and not each.is_empty}


def contexts(archive: Archive, number: int) -> list[tuple[int, str, tuple[str, ...]]]:
    return [
        (each.id, each.abstract_syntax, each.transfer_syntaxes)
        for each in archive.associations[number].proposed.contexts
    ]


def ended(xeleris: WholeGateway, job: str, limit: float = 20) -> dict[str, Any]:
    """The job with its C-MOVEs, once it has ended."""
    shown: dict[str, Any] = until(
        lambda: (found := xeleris.json("jobs", "show", job))["finished_at"] and found, limit=limit, what="the job's end"
    )
    return shown


def retrieve(xeleris: WholeGateway, title: str, to: str, *arguments: str) -> str:
    """Make a retrieve job; its id."""
    return str(xeleris.json("retrieve", *arguments, "--from", title, "--to", to)["job"])


# -------------------------------------------------------------------------------------------------------------- query


@pytest.mark.requirement("R16", "R32", "R33", "R51", "R53", "R55", "R56", "R57", "R59", "R144", "R148")
def test_three_levels_each_on_an_association_of_its_own(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source()
    archive.finding = matching(study("1.2.3", PatientName="DOE^JANE", PatientID="4711"), study("1.2.4"))
    listed = xeleris.cli("query", title)
    assert ("DOE^JANE" in listed, "4711" in listed, "1.2.3" in listed, "1.2.4" in listed) == (True,) * 4
    (asked,) = archive.of("STUDY")
    assert (keys(asked.identifier), values(asked.identifier)) == (STUDY_KEYS.split(), {"QueryRetrieveLevel": "STUDY"})
    assert archive.echoes == 1
    assert [each.requests for each in archive.associations] == [1, 1]  # verified on an association of its own

    archive.finding = matching(match("SERIES", SeriesInstanceUID="1.2.3.1", Modality="NM", SeriesNumber="7"))
    listed = xeleris.cli("query", title, "--level", "SERIES", "--study-uid", "1.2.3")
    assert ("study 1.2.3" in listed, "NM" in listed, "1.2.3.1" in listed) == (True,) * 3
    (asked,) = archive.of("SERIES")
    assert keys(asked.identifier) == SERIES_KEYS.split()
    assert values(asked.identifier) == {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": "1.2.3"}

    archive.finding = matching(match("IMAGE", SOPInstanceUID="1.2.3.1.9", Rows=64))  # type: ignore[arg-type]
    above = ("--study-uid", "1.2.3", "--series-uid", "1.2.3.1")
    listed = xeleris.cli("query", title, "--level", "IMAGE", *above)
    assert ("study 1.2.3, series 1.2.3.1" in listed, "1.2.3.1.9" in listed, "64" in listed) == (True,) * 3
    (asked,) = archive.of("IMAGE")
    upper = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"}
    assert values(asked.identifier) == {"QueryRetrieveLevel": "IMAGE", **upper}
    assert [each.requests for each in archive.associations] == [1, 1, 1, 1]
    assert archive.echoes == 1
    assert all(contexts(archive, number) == proposed() for number in range(4))
    assert all(each.released for each in archive.associations)


@pytest.mark.requirement("R56", "R59", "R144", "R148")
def test_nothing_else_is_asked_at_the_lower_levels(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source()
    xeleris.cli("query", title, "--level", "SERIES", status=2)
    xeleris.cli("query", title, "--level", "SERIES", "--study-uid", "1.2", "--patient-id", "1", status=2)
    xeleris.cli("query", title, "--level", "IMAGE", "--study-uid", "1.2", status=2)
    xeleris.cli("query", title, "--level", "SERIES", "--study-uid", "1.2", "--key", "Modality=NM", status=2)
    xeleris.cli("query", title, "--patient-root", status=2)
    assert archive.connections == 0


@pytest.mark.requirement("R147")
def test_keys_of_structured_reports_are_asked_of_who_accepts_enhanced_sr(xeleris: WholeGateway, source: Source) -> None:
    image = ("--level", "IMAGE", "--study-uid", "1.2", "--series-uid", "1.3")
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "121111", "DCM"
    for lacks, more in (((), REPORT_KEYS.split()), ((ENHANCED_SR,), [])):
        title, archive = source(lacks=lacks)
        archive.finding = matching(match("IMAGE", SOPInstanceUID="1.9", ConceptNameCodeSequence=[code]))  # type: ignore[arg-type]
        found = xeleris.json("query", title, *image)
        assert keys(archive.asked[0].identifier) == sorted([*IMAGE_KEYS.split(), *more])
        concept = {"CodeValue": "121111", "CodingSchemeDesignator": "DCM"} if more else None
        assert found["matches"][0].get("ConceptNameCodeSequence") == concept


@pytest.mark.requirement("R52")
def test_only_a_flagged_station_is_a_source(xeleris: WholeGateway, source: Source, destination: str) -> None:
    title, archive = source("--store")
    xeleris.cli("query", title, status=1)
    xeleris.cli("retrieve", "1.2.3", "--from", title, "--to", destination, status=1)
    assert archive.connections == 0


@pytest.mark.requirement("R53")
def test_who_is_not_online_is_not_queried(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source()
    archive.echo_status = 0x0110
    assert "not online" in str(xeleris.cli("query", title, "--json", status=1))
    assert (archive.echoes, archive.asked) == (1, [])


@pytest.mark.requirement("R54", "R144")
def test_filters_alone_and_combined(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source("--query-retrieve", "--prefilter")
    xeleris.cli("query", title, status=1)
    assert archive.connections == 0
    every: list[str] = []
    for option, (keyword, value) in FILTERS.items():
        every += [f"--{option}", value]
        xeleris.cli("query", title, f"--{option}", value)
        assert values(archive.asked[-1].identifier) == {"QueryRetrieveLevel": "STUDY", keyword: value}
    xeleris.cli("query", title, *every)
    assert values(archive.asked[-1].identifier) == {"QueryRetrieveLevel": "STUDY", **dict(FILTERS.values())}
    assert keys(archive.asked[-1].identifier) == STUDY_KEYS.split()


@pytest.mark.requirement("R55")
def test_without_the_flag_there_are_no_criteria(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source()
    xeleris.cli("query", title, "--patient-id", "1", status=1)
    assert archive.connections == 0


@pytest.mark.requirement("R16", "R58")
def test_a_query_is_never_cancelled(xeleris: WholeGateway, source: Source) -> None:
    """Not even when there are more matches than are shown: the rest is read."""
    title, archive = source()
    canceled: list[bool] = []

    def script(asked: Asked) -> int:
        asked.matches(*(study(f"1.2.{number}") for number in range(5)))
        canceled.append(asked.look_for_cancel(0.3))
        return 0

    archive.finding = script
    found = xeleris.json("query", title, "--limit", "2")
    assert (len(found["matches"]), found["cut"], canceled) == (2, True, [False])
    assert archive.associations[-1].released


@pytest.mark.requirement("R60")
def test_a_query_has_no_time_out(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source("--query-retrieve", "--find-seconds", "1")

    def script(asked: Asked) -> int:
        asked.look_for_cancel(1.3)
        asked.matches(study("1.2.3"))
        return 0

    archive.finding = script
    assert len(xeleris.json("query", title)["matches"]) == 1


@pytest.mark.requirement("R61", "R62")
@pytest.mark.parametrize("status", FIND_STATUSES, ids="{:04X}".format)
def test_a_failed_query_shows_no_results(xeleris: WholeGateway, source: Source, status: int) -> None:
    title, archive = source()
    archive.finding = matching(study("1.2.3"), status=status)
    found = xeleris.cli("query", title, "--json", status=1)
    assert f'"status": "{status:04X}"' in found
    assert FIND_STATUSES[status] in found
    assert '"matches": []' in found
    assert archive.associations[-1].released
    archive.finding = matching(study("1.2.3"))
    assert len(xeleris.json("query", title)["matches"]) == 1  # the next one is on another association
    assert len(archive.associations) == 4


@pytest.mark.requirement("R61", "R62")
def test_both_pending_statuses_bring_matches(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source()

    def script(asked: Asked) -> int:
        asked.matches(study("1.2.3"))
        asked.pending(data=b"\x20\0\x0d\0\x06\0\0\0" + b"1.2.4\0", status=0xFF01)
        return 0

    archive.finding = script
    found = xeleris.json("query", title)
    assert [each["StudyInstanceUID"] for each in found["matches"]] == ["1.2.3", "1.2.4"]
    assert (found["ok"], found["status"], found["text"].endswith("0000 (Success)")) == (True, "0000", True)


@pytest.mark.requirement("R125", "R126")
def test_character_sets_of_keys_and_responses(xeleris: WholeGateway, source: Source) -> None:
    title, archive = source("--query-retrieve", "--prefilter")
    german = study("1.2.3", SpecificCharacterSet="ISO_IR 100", PatientName="MÜLLER^JÖRG")
    greek = study("1.2.4", SpecificCharacterSet="ISO_IR 126", PatientName="Διονυσιος")
    archive.finding = matching(german, greek)
    listed = xeleris.cli("query", title, "--patient-name", "M?LLER*")
    assert ("MÜLLER^JÖRG" in listed, "Διονυσιος" in listed) == (True, True)
    assert "SpecificCharacterSet" not in archive.asked[-1].identifier
    xeleris.cli("query", title, "--patient-name", "MÜLLER*")
    asked = archive.asked[-1].identifier
    assert (asked.SpecificCharacterSet, str(asked.PatientName)) == ("ISO_IR 100", "MÜLLER*")
    xeleris.cli("query", title, "--patient-name", "Διον*", status=2)


# ----------------------------------------------------------------------------------------------------------- retrieve


@pytest.mark.requirement("R17", "R63", "R64", "R65", "R66", "R68", "R69")
def test_a_retrieve_job_from_queued_to_completed(xeleris: WholeGateway, source: Source, destination: str) -> None:
    """Two C-MOVEs on one association, without a time-out; a second job waits for the one association there may be."""
    title, archive = source("--query-retrieve", "--associations", "1", "--move-seconds", "1")
    go_on = threading.Event()

    def script(asked: Asked) -> int:
        asked.pending(3, 2, 0, 1)
        assert go_on.wait(20)
        return 0

    archive.moving = script
    job = retrieve(xeleris, title, destination, "1.2.3", "1.2.4")
    second = retrieve(xeleris, title, destination, "1.2.5", "--level", "SERIES", "--study-uid", "1.2")
    until(lambda: xeleris.json("jobs", "show", job)["total"] == 6, limit=20, what="progress")
    shown = xeleris.json("jobs", "show", job)
    assert (shown["kind"], shown["state"], shown["source"], shown["destination"]) == (
        "retrieve", "ACTIVE", title, destination,
    )  # fmt: skip
    assert (shown["done"], shown["failed"], shown["remaining"], shown["warned"]) == (3, 0, 3, 1)
    assert [move["state"] for move in shown["moves"]] == ["ACTIVE", "PENDING"]
    listed = {each["id"]: each["state"] for each in xeleris.json("jobs", "list", "--destination", destination)}
    assert (listed[job], listed[second]) == ("ACTIVE", "QUEUED")
    go_on.set()
    assert ended(xeleris, job)["state"] == ended(xeleris, second)["state"] == "COMPLETED"
    first, other = archive.associations
    assert (first.requests, first.released, other.requests) == (2, True, 1)
    assert all(contexts(archive, number) == proposed() for number in range(2))
    assert [values(each.identifier) for each in archive.asked] == [
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"},
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.4"},
        {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.5"},
    ]
    assert {each.destination for each in archive.asked} == {destination}
    assert first.calling == TITLE


@pytest.mark.requirement("R66", "R68", "R70")
def test_each_final_status_of_a_retrieval(xeleris: WholeGateway, source: Source, destination: str) -> None:
    title, archive = source("--query-retrieve", "--associations", "4")

    def script(asked: Asked) -> int:
        asked.pending(1, 1, 0, 0)
        return int(asked.identifier.StudyInstanceUID.rpartition(".")[2])

    archive.moving = script
    jobs = {status: retrieve(xeleris, title, destination, f"1.2.{status}") for status in MOVE_STATUSES}
    for status, (state, words) in MOVE_STATUSES.items():
        shown = ended(xeleris, jobs[status])
        assert (shown["state"], shown["moves"][0]["status"]) == (state, f"{status:04X}")
        assert words in shown["reason"], status
        assert bool(shown["reason"]) == (status != 0)
        assert status == MATCH or shown["moves"][0]["completed"] == 1


@pytest.mark.requirement("R68")
def test_a_refusal_ends_the_association_and_another_failure_does_not(
    xeleris: WholeGateway, source: Source, destination: str
) -> None:
    title, archive = source()
    archive.moving = lambda asked: int(asked.identifier.StudyInstanceUID.rpartition(".")[2])
    uids = [f"1.2.{status}" for status in (0xA702, 0xC000, 0x0000)]
    shown = ended(xeleris, retrieve(xeleris, title, destination, *uids))
    assert (shown["state"], [move["state"] for move in shown["moves"]]) == ("FAILED", ["FAILED", "FAILED", "COMPLETED"])
    assert shown["reason"].startswith("2 of 3: C-MOVE answered A702")
    assert [(each.requests, each.released) for each in archive.associations] == [(1, True), (2, True)]


@pytest.mark.requirement("R17", "R67")
def test_a_cancelled_retrieval_sends_a_cancel(xeleris: WholeGateway, source: Source, destination: str) -> None:
    title, archive = source()
    seen = threading.Event()

    def script(asked: Asked) -> int:
        asked.pending(5, 1, 0, 0)
        if asked.look_for_cancel(20):
            seen.set()
        return CANCELED

    archive.moving = script
    job = retrieve(xeleris, title, destination, "1.2.3", "1.2.4")
    until(lambda: xeleris.json("jobs", "show", job)["done"] == 1, limit=20, what="progress")
    xeleris.cli("jobs", "cancel", job)
    assert seen.wait(1.5)
    shown = ended(xeleris, job)
    assert shown["state"] == "CANCELED"
    until(lambda: archive.associations[0].released, limit=10, what="the release")
    moves = xeleris.json("jobs", "show", job)["moves"]
    assert [move["state"] for move in moves] == ["CANCELED", "CANCELED"]
    assert len(archive.asked) == 1
