"""Associations the gateway opens (R14, R24 to R35), and what it sends over them (R7 to R9, R37 to R48)."""

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conformance.expected import CT, ENHANCED_SR, NM, VARIANTS, proposed
from tests.conformance.printed import tables
from tests.conformance.whole import Objects, Sent, WholeGateway, delivered, indexed, store
from tests.conformance.wire import asked_by_echo
from tests.stations import StationReceiver
from tests.stations.raw_association import (
    APPLICATION_CONTEXT,
    IMPLEMENTATION_CLASS,
    MAXIMUM_LENGTH,
    VERSION_NAME,
    Items,
    proposal,
)
from tests.stations.receiver import AbortAfterData, Accept, Freeze
from tests.waiting import until

STATUSES = {
    0xA700: "Out of resources",
    0xA710: "Write to remote database failed",
    0xA720: "Remote DICOM Toolkit problems",
    0xA730: "Remote cannot understand received DICOM message",
    0xA740: "Cannot find Pixel data",
    0xA750: "remote archive device will not store the data",
    0xA760: "no default destination set for redirecting PET raw data",
    0xA780: "sender not defined on the remote station",
    0xA900: "Data set does not match SOP Class",
    0xC000: "Cannot understand",
    0xB000: "Coercion of Data Elements",
    0xB006: "Elements Discarded",
    0xB007: "Data Set does not match SOP Class",
    0x0122: "",
}
"""By status, words of its meaning; the last one is not named by the statement."""


@pytest.fixture
def stations(xeleris: WholeGateway) -> Iterator[Callable[[str], StationReceiver]]:
    """Adds a receiver as a station that takes instances, one association at a time."""
    with ExitStack() as stack:

        def add(title: str) -> StationReceiver:
            receiver = stack.enter_context(StationReceiver(title))
            xeleris.add_station(title, receiver.port, "--store", "--associations", "1")
            return receiver

        yield add


def kept_now(xeleris: WholeGateway, *sent: Sent) -> None:
    """Store objects and wait until they can be sent on."""
    for each in sent:
        assert store(xeleris.dicom_port, each) == 0
    for each in sent:
        indexed(xeleris, each)


def ended_job(xeleris: WholeGateway, title: str, limit: float = 30) -> dict[str, Any]:
    """The one job to a station, once it has ended."""

    def found() -> list[dict[str, Any]]:
        jobs = xeleris.json("jobs", "list", "--destination", title)
        return [job for job in jobs if job["state"] in ("COMPLETED", "FAILED", "CANCELED")]

    (job,) = until(found, limit=limit, what=f"the job to {title} to end")
    return job


def is_the_statements(seen: Items, variant: str) -> None:
    """Assert everything of a request of ours, and that our own statement tells the same of its contexts."""
    contexts = [(each.id, each.abstract_syntax, each.transfer_syntaxes) for each in seen.contexts]
    assert contexts == proposed(variant)
    (table,) = tables("Proposed presentation contexts", "--profile", "xeleris", "--variant", variant)
    assert [(int(row[0]), row[2], (row[4],)) for row in table["rows"]] == contexts
    assert seen.application_context == APPLICATION_CONTEXT
    assert sorted(seen.kinds) == [MAXIMUM_LENGTH, IMPLEMENTATION_CLASS, VERSION_NAME]
    assert struct.unpack(">I", seen.only(MAXIMUM_LENGTH)) == (128000,)
    assert seen.only(IMPLEMENTATION_CLASS) == b"1.2.840.113619.6.281"
    assert re.fullmatch(r"Xeleris \d\.\d{4}", seen.only(VERSION_NAME).decode())
    assert seen.titles[16:].rstrip() == b"XELERIS"


@pytest.mark.requirement("R36")
def test_a_person_picks_what_is_sent_and_where(
    xeleris: WholeGateway, objects: Objects, stations: Callable[[str], StationReceiver]
) -> None:
    one, other = objects("CT"), objects("MR")
    kept_now(xeleris, one, other)
    first, second = stations("PICKED1"), stations("PICKED2")
    jobs = [
        xeleris.json("send", picked, "--to", title)["job"]
        for picked, title in ((one.study, "PICKED1"), (other.uid, "PICKED2"))
    ]
    assert [ended_job(xeleris, title)["id"] for title in ("PICKED1", "PICKED2")] == jobs
    assert (first.uids, second.uids) == ([one.uid], [other.uid])


@pytest.mark.requirement("R1", "R2", "R3", "R12", "R24", "R25", "R28", "R29", "R30", "R33", "R34", "R35")
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_verification_proposes(xeleris: WholeGateway, variant: str) -> None:
    """28 contexts with ids 1 to 55 on 4dr, 26 on the others: no PDF on 3.0 to 4.0, no commitment on v."""
    seen = asked_by_echo(xeleris, f"ECHO{variant.replace('.', '')}", variant)
    is_the_statements(seen, variant)
    assert len(seen.contexts) == (28 if variant == "4dr" else 26)


@pytest.mark.requirement("R24", "R25", "R28", "R29", "R30", "R31", "R32", "R33", "R34", "R35")
def test_what_sending_proposes(xeleris: WholeGateway, kept: dict[str, Sent]) -> None:
    """A new association, with the contexts of all activities, whatever is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        xeleris.add_station("CAPTURE2", listener.getsockname()[1], "--store")
        xeleris.cli("send", kept["CT"].uid, "--to", "CAPTURE2")
        is_the_statements(proposal(listener), "4dr")


@pytest.mark.requirement("R7", "R8", "R9", "R13", "R38", "R41", "R45", "R118", "R130")
def test_what_is_sent_is_what_was_received(
    xeleris: WholeGateway, kept: dict[str, Sent], stations: Callable[[str], StationReceiver]
) -> None:
    """Every kind of object, private elements and codes included, bit for bit, on one association, and nothing else."""
    archive = stations("ARCHIVE")
    sent = list(kept.values())
    xeleris.cli("send", *(each.uid for each in sent), "--to", "ARCHIVE")
    for each in sent:
        delivered(archive, each)
        assert archive.digests(each.uid) == {each.digest}, each.name
    assert sorted(archive.uids) == sorted(each.uid for each in sent)
    assert ended_job(xeleris, "ARCHIVE")["state"] == "COMPLETED"
    until(lambda: archive.associations, what="the association to end")
    (association,) = archive.associations
    assert sum(association.requests.values()) == len(sent)
    assert (association.calling_aet, association.called_aet) == ("XELERIS", "ARCHIVE")


@pytest.mark.requirement("R14", "R42")
def test_an_object_goes_out_only_where_its_context_was_accepted(
    xeleris: WholeGateway, kept: dict[str, Sent], stations: Callable[[str], StationReceiver]
) -> None:
    choosy = stations("CHOOSY")
    choosy.classes = {CT, ENHANCED_SR}
    xeleris.cli("send", kept["CT"].uid, kept["NM STATIC"].uid, "--to", "CHOOSY")
    job = ended_job(xeleris, "CHOOSY")
    assert job["state"] == "FAILED"
    assert NM in job["reason"]
    assert choosy.uids == [kept["CT"].uid]


@pytest.mark.requirement("R42", "R46", "R47", "R48")
def test_every_other_status_fails_its_object_and_the_next_is_tried(
    xeleris: WholeGateway, objects: Objects, stations: Callable[[str], StationReceiver]
) -> None:
    """Warnings included; the reason has the meaning of the code, also of the private ones, whoever sent it."""
    strict = stations("STRICT")
    sent = [objects("CT") for _ in range(len(STATUSES) + 1)]
    kept_now(xeleris, *sent)
    wanted = {each.uid: status for each, status in zip(sent, STATUSES, strict=False)}
    strict.statuses |= wanted
    xeleris.cli("send", *(each.uid for each in sent), "--to", "STRICT")
    job = ended_job(xeleris, "STRICT")
    assert (job["state"], job["failed"], job["done"]) == ("FAILED", len(STATUSES), 1)
    deliveries = {each["instance"]: each for each in xeleris.json("jobs", "show", job["id"])["deliveries"]}
    for uid, status in wanted.items():
        assert deliveries[uid]["state"] == "FAILED"
        assert f"{status:04X}" in deliveries[uid]["reason"]
        assert STATUSES[status] in deliveries[uid]["reason"]
    assert deliveries[sent[-1].uid]["state"] == "DELIVERED"
    assert len(strict.uids) == len(sent)
    until(lambda: strict.associations, what="the association to end")
    assert len(strict.associations) == 1


@pytest.mark.requirement("R38", "R39", "R43")
def test_a_job_is_active_while_its_association_is_open_and_may_be_cancelled(
    xeleris: WholeGateway, objects: Objects, stations: Callable[[str], StationReceiver]
) -> None:
    frozen = stations("FROZEN")
    frozen.behave(Freeze())
    sent = [objects("CT") for _ in range(3)]
    kept_now(xeleris, *sent)
    xeleris.cli("send", *(each.uid for each in sent), "--to", "FROZEN")

    def jobs(*states: str) -> list[dict[str, Any]]:
        return [job for job in xeleris.json("jobs", "list", "--destination", "FROZEN") if job["state"] in states]

    (job,) = until(lambda: jobs("ACTIVE"), what="the job to be ACTIVE")
    xeleris.cli("jobs", "cancel", job["id"])
    until(lambda: jobs("CANCELED"), limit=20, what="the job to be CANCELED")
    frozen.behave(Accept())


@pytest.mark.requirement("R40")
def test_after_a_network_failure_another_association_sends_the_rest(
    xeleris: WholeGateway, objects: Objects, stations: Callable[[str], StationReceiver]
) -> None:
    flaky = stations("FLAKY")
    flaky.behave(AbortAfterData())
    sent = [objects("CT") for _ in range(4)]
    kept_now(xeleris, *sent)
    xeleris.cli("send", *(each.uid for each in sent), "--to", "FLAKY")
    until(lambda: flaky.associations, what="the first association to be lost")
    flaky.behave(Accept())
    for each in sent:
        delivered(flaky, each, limit=60)
    assert ended_job(xeleris, "FLAKY", limit=60)["state"] == "COMPLETED"
    until(lambda: len(flaky.associations) > 1, what="another association")


@pytest.mark.requirement("R36", "R38", "R41")
def test_studies_series_and_instances_are_sent_to_the_stations_picked(
    xeleris: WholeGateway, objects: Objects, stations: Callable[[str], StationReceiver]
) -> None:
    """A send job for each station, with what was picked at any level and nothing else."""
    first, second = stations("CHOSEN1"), stations("CHOSEN2")
    study, series, instance, left = [objects("CT") for _ in range(4)]
    kept_now(xeleris, study, series, instance, left)
    picked = (study.study, str(series.data_set.SeriesInstanceUID), instance.uid)
    for station in (first, second):
        xeleris.cli("send", *picked, "--to", station.title)
        job = ended_job(xeleris, station.title)
        assert (job["kind"], job["state"], job["total"]) == ("send", "COMPLETED", 3)
        assert sorted(station.uids) == sorted(each.uid for each in (study, series, instance))


@pytest.mark.requirement("R37")
def test_only_stations_flagged_for_it_are_targets(xeleris: WholeGateway, kept: dict[str, Sent]) -> None:
    with StationReceiver("NOTARGET") as station:
        xeleris.add_station("NOTARGET", station.port)
        xeleris.cli("send", kept["CT"].uid, "--to", "NOTARGET", status=1)
        assert xeleris.json("jobs", "list", "--destination", "NOTARGET") == []


@pytest.mark.requirement("R26", "R38")
def test_at_most_four_associations_are_open_at_a_time(xeleris: WholeGateway, objects: Objects) -> None:
    """Six stations that do not answer, each with an object waiting; those beyond four come when one has ended."""
    with ExitStack() as stack:
        stations = [stack.enter_context(StationReceiver(f"SLOW{number}")) for number in range(6)]
        sent = objects("CT")
        kept_now(xeleris, sent)
        for station in stations:
            station.behave(Freeze())
            xeleris.add_station(station.title, station.port, "--store")
            xeleris.cli("send", sent.uid, "--to", station.title)
        until(lambda: sum(station.open for station in stations) == 4, limit=20, what="four associations")
        waiting = [
            job for job in xeleris.json("jobs", "list") if job["destination"] in {each.title for each in stations}
        ]
        assert sorted(job["state"] for job in waiting) == ["ACTIVE"] * 4 + ["QUEUED"] * 2
        assert sum(station.open for station in stations) == 4
        for station in stations:
            station.behave(Accept())
        for station in stations:
            delivered(station, sent)
