"""Stations that are asked what they have before they are sent anything, and what is not sent then."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydicom import Dataset

from tests.factories import ct
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.archive import FIND_STUDY_ROOT, Archive, Asked, Script, match, matching
from tests.stations.messages import AFFECTED_INSTANCE, C_STORE, COMMAND, Message, respond
from tests.stations.raw_acceptor import Served
from tests.waiting import until_async

SERIES = [ct(number, study=1) for number in range(1, 5)]
UIDS = [each.sop_instance_uid for each in SERIES]
REVISED = ct(5, study=1)
NOT_SENT = "not sent: asked by C-FIND, the station answered that it has it"


class Pacs(Archive):
    """Stores too; ``stored`` are SOP Instance UIDs."""

    def __init__(self, finding: Script, **more: Any) -> None:
        super().__init__(**more)
        self.finding = finding
        self.stored: list[str] = []

    def serve(self, association: Served, message: Message) -> bool:
        if message.number(COMMAND) != C_STORE:
            return super().serve(association, message)
        self.stored.append(message.text(AFFECTED_INSTANCE))
        respond(association.socket, message, 0)
        return True


def images(*uids: str, **more: str) -> list[Dataset]:
    return [match("IMAGE", SOPInstanceUID=uid, **more) for uid in uids]


def until_aborted(asked: Asked) -> None:
    asked.association.socket.recv(1)


def unreadable(asked: Asked) -> int:
    asked.pending(data=b"\xff" * 11)
    return 0


def ends(_: Asked) -> None:
    return None


THERE = matching(*images(*UIDS[:3], REVISED.sop_instance_uid, "1.2.3"))


@pytest.fixture
def pacs() -> Iterator[Callable[..., Pacs]]:
    with ExitStack() as stack:
        yield lambda finding, **more: stack.enter_context(Pacs(finding, **more))


async def test_what_a_station_says_it_has_is_not_sent_and_everything_else_is(
    recorder: Recorder, ledger: Ledger, pacs: Callable[..., Pacs]
) -> None:
    told: dict[str, Pacs] = {
        "HAS": pacs(THERE),
        "RENAMED": pacs(ends),
        "FAILS": pacs(matching(*images(*UIDS), status=0xC000)),
        "ENDS": pacs(ends),
        "UNREADABLE": pacs(unreadable),
        "OTHER": pacs(matching(*images(*UIDS, SeriesInstanceUID="1.2.3.4"))),
        "LACKS": pacs(THERE, lacks=(FIND_STUDY_ROOT,)),
        "SLOW": pacs(until_aborted),
        "USUAL": pacs(THERE),
    }
    more: dict[str, dict[str, object]] = {
        "HAS": {"commit_server": True}, "SLOW": {"find_seconds": 1}, "USUAL": {"skip_present": False},
    }  # fmt: skip
    for title, station in told.items():
        columns = {"query_retrieve": True, "skip_present": True, "associations": 1}
        add_station(recorder.database_url, title, station.port, **columns | more.get(title, {}))
    renaming = {"to": "RENAMED", "transform": [{"do": "new_uids", "project": ""}]}
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": title} for title in told if title != "RENAMED"]},
                                            {"send": [renaming]}])  # fmt: skip
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(*SERIES))
        await running.evaluate(recorder.record(REVISED, disposition="REVISION", revision=2))
    names = [
        row["sent_sop_instance_uid"]
        for row in ledger.rows("select * from routing.delivery where destination = 'RENAMED' order by id")
    ]
    told["RENAMED"].finding = matching(*images(*names))
    async with forwarder(recorder) as running:
        await ledger.until_states({"DELIVERED": 5 * len(told)})
        assert {title: sorted(station.stored) for title, station in told.items()} == {
            title: sorted([*UIDS, REVISED.sop_instance_uid]) for title in told
        } | {"HAS": sorted([UIDS[3], REVISED.sop_instance_uid]), "RENAMED": [names[4]]}
        for title, body in (("USUAL", {"skip_present": True}), ("HAS", {"skip_present": False})):
            told[title].stored.clear()
            await running.requests.carry_out(ledger.request("send", {"uids": UIDS, "to": title} | body))
        await ledger.until_states({"DELIVERED": 5 * len(told) + 8})
        assert (told["USUAL"].stored, sorted(told["HAS"].stored)) == ([UIDS[3]], sorted(UIDS))
    asked = {title: len(station.of("IMAGE")) for title, station in told.items()}
    assert asked == dict.fromkeys(told, 1) | {"LACKS": 0}, "one question for a series, and none again after one in vain"
    (question,) = told["HAS"].of("IMAGE")
    assert question.identifier.StudyInstanceUID == SERIES[0].study_instance_uid
    assert question.identifier.SeriesInstanceUID == SERIES[0].series_instance_uid
    rows = ledger.rows("select * from routing.delivery where request = '00000000-0000-0000-0000-000000000000'")
    for row in rows:
        (attempt,) = ledger.attempts(row["id"])
        there = row["sop_instance_uid"] in UIDS[: {"HAS": 3, "RENAMED": 4}.get(row["destination"], 0)]
        assert (row["reason"], row["status"], attempt["status"], attempt["outcome"]) == (
            (NOT_SENT, None, None, "PRESENT") if there else ("", 0, 0, "DELIVERED")
        ), row["destination"]
        assert row["commit_on"] == ("HAS" if row["destination"] == "HAS" else None), "to be committed all the same"
        if row["destination"] in ("FAILS", "ENDS", "UNREADABLE", "LACKS", "SLOW") and row["revision"] == 1:
            assert "whether it was there could not be asked: " in attempt["reason"]
        if row["destination"] == "RENAMED" and there:
            assert list(row["sent"]) == ["uids"]
            assert SERIES[0].study_instance_uid in row["sent"]["uids"]


async def test_a_job_that_is_cancelled_while_a_station_is_asked_sends_nothing(
    recorder: Recorder, ledger: Ledger, pacs: Callable[..., Pacs]
) -> None:
    station = pacs(until_aborted)
    add_station(recorder.database_url, "SLOW", station.port, query_retrieve=True, skip_present=True, associations=1)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "SLOW"}]}])
    async with forwarder(recorder) as running:
        await running.evaluate(recorder.record(*SERIES))
        await until_async(lambda: station.asked)
        await running.requests.carry_out(ledger.request("cancel", {"job": str(ledger.jobs()[0]["id"])}))
        await ledger.until_states({"CANCELED": 4})
    assert (station.stored, len(station.associations)) == ([], 1)
