"""What an N-ACTION led to: statuses by name, and what a lost association may have left behind."""

import pytest

from services.commitment import outcomes
from services.commitment.askable import refusal
from services.commitment.asking import share
from services.commitment.states import Event
from services.commitment.stations import Station
from services.dicom.errors import AssociationError, AssociationRejected, ConnectFailed, PeerGone
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings

NAMES = {
    0x0110: "Processing failure",
    0x0112: "No such SOP Instance",
    0x0115: "Invalid argument value",
    0x0117: "Invalid SOP Instance",
    0x0118: "No such SOP Class",
    0x0119: "Class-instance conflict",
    0x0123: "No such action",
    0x0210: "Duplicate invocation",
    0x0212: "Mistyped argument",
}


@pytest.mark.requirement("R76", "R77")
@pytest.mark.parametrize("status", [*NAMES, 0xB000, 0x0107, 0xFF00, 0xC123])
def test_only_0000_accepts(status: int) -> None:
    outcome = outcomes.answered(status, "Doe^John\n")
    assert outcome.event is Event.REFUSE
    assert f"{status:04X} {NAMES.get(status, '')}".strip() in outcome.reason
    assert "Doe" not in outcome.reason, "what the station writes goes into no log"
    assert outcome.detail.endswith(": Doe^John")
    assert outcomes.answered(0).event is Event.ACCEPT


def _lost(phase: str) -> AssociationError:
    error = PeerGone("the connection ended")
    error.phase = phase
    return error


@pytest.mark.parametrize(
    ("error", "event", "unreachable"),
    [
        (ConnectFailed("refused"), Event.MISS, True),
        (AssociationRejected(1, 1, 7), Event.MISS, True),
        (_lost("negotiate"), Event.MISS, True),
        (_lost("request"), Event.MISS, False),
        (_lost("response"), Event.LOSE_ANSWER, False),
    ],
)
def test_only_a_request_that_was_sent_whole_may_have_arrived(
    error: AssociationError, event: Event, unreachable: bool
) -> None:
    outcome = outcomes.failed(error)
    assert (outcome.event, outcome.unreachable) == (event, unreachable), "one that breaks off keeps no other waiting"


@pytest.mark.requirement("R71")
def test_who_cannot_be_asked_and_what_helps() -> None:
    gateway = profile_of("gateway", DicomSettings())
    without = profile_of("xeleris", DicomSettings(variant="v"))
    station = Station("A", "h", 104, True, 1, True, None, None, None, None, None, None, (), ())
    unmarked = Station("A", "h", 104, True, 1, False, None, None, None, None, None, None, (), ())
    assert refusal("A", station, gateway) == ""
    assert "gateway station add A" in refusal("A", None, gateway)
    assert "gateway station set A --commit-server" in refusal("A", unmarked, gateway)
    assert "GATEWAY_VARIANT" in refusal("A", station, without)


@pytest.mark.parametrize(("own", "all_together", "expected"), [(1, 8, 1), (8, 8, 4), (3, 8, 3), (4, 1, 1)])
def test_a_server_has_its_share_only(own: int, all_together: int, expected: int) -> None:
    assert share(own, all_together) == expected
