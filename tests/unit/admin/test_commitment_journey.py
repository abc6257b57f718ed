"""What a study's journey says of commitments that are open, were given up, or are repeated."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.admin.patients.commitment_journey import asked_of_others, asked_of_us
from services.admin.patients.journey import events

AT = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
PENDING = {"instance": "1.2.3", "state": "PENDING", "failure_reason": None, "decided_at": None}
ASKED: dict[str, Any] = {
    "id": "a", "server": "VNA", "destination": "VNA", "state": "QUEUED", "created_at": AT, "deadline": None,
    "finished_at": None, "reason": "", "repeats": None, "requested_by": "", "next_attempt_at": None, "attempts": [],
    "reports": [], "items": [PENDING, PENDING | {"instance": "1.2.4"}],
}  # fmt: skip
RECEIVED: dict[str, Any] = {
    "id": "b", "from": "CT1", "state": "CHECKING", "duplicate": False, "received_at": AT, "reported_at": None,
    "status": None, "reason": "", "give_up_at": None, "items": [PENDING],
}  # fmt: skip


def attempt(minutes: int, outcome: str, **more: Any) -> dict[str, Any]:
    return {"started_at": AT + timedelta(minutes=minutes), "outcome": outcome, "status": None, "reason": ""} | more


@pytest.mark.parametrize(
    ("row", "text", "detail"),
    [
        ({"state": "COLLECTING"}, "Will be asked to commit when nothing more of the study comes: VNA", ""),
        ({"next_attempt_at": AT, "reason": "not asked: VNA refused"}, "Waits to be asked to commit: VNA",
         "not asked: VNA refused, next at 2026-11-23 20:00Z"),
        ({"state": "UNANSWERED", "deadline": AT}, "Will be asked to commit again: VNA", "due by 2026-11-23 20:00Z"),
        ({"state": "WAITING FOR COMMITMENT", "deadline": AT}, "Has to report what it committed: VNA",
         "due by 2026-11-23 20:00Z"),
    ],
)  # fmt: skip
def test_what_an_open_commitment_waits_for_comes_last(row: dict[str, Any], text: str, detail: str) -> None:
    *_, last = asked_of_others(ASKED | row)
    assert (last.text, last.detail, last.at, last.instances) == (text, detail, None, ["1.2.3", "1.2.4"])


def test_who_asked_again_is_told_and_that_the_time_passed() -> None:
    row = ASKED | {
        "state": "FAILURE",
        "repeats": "x",
        "requested_by": "user:ann",
        "finished_at": AT,
        "reason": "no report",
    }
    first, last = asked_of_others(row)
    assert first.detail == "asked again, by user:ann"
    assert (last.text, last.tone, last.detail, last.at) == ("Commitment by VNA failed", "bad", "no report", AT)


@pytest.mark.parametrize(
    ("row", "text", "detail", "at"),
    [
        ({}, "What CT1 asked us to commit is checked", "", None),
        ({"state": "READY", "reason": "refused", "give_up_at": AT}, "The report to CT1 waits",
         "refused, given up at 2026-11-23 20:00Z", None),
        ({"state": "GIVEN UP", "status": 0x0110, "give_up_at": AT}, "The report to CT1 was given up", "0110", AT),
        ({"state": "JOINED"}, "CT1 asked us to commit", "the repetition of a request that is not finished", AT),
    ],
)  # fmt: skip
def test_what_became_of_a_request_of_a_peer(row: dict[str, Any], text: str, detail: str, at: datetime | None) -> None:
    *_, last = asked_of_us(RECEIVED | row)
    assert (last.text, last.detail, last.at) == (text, detail, at)


def test_attempts_alike_are_one_event_with_their_number() -> None:
    tries = [attempt(0, "UNREACHED", reason="refused"), attempt(9, "UNREACHED", reason="refused"),
             attempt(10, "REFUSED", status=0x0123, reason="N-ACTION status 0123")]  # fmt: skip
    found = {"instances": [], "deliveries": [], "retrievals": [], "asked_of_us": []}
    told = events(found | {"asked_of_others": [ASKED | {"attempts": tries}]})
    assert [(each.text, each.detail, each.times, each.count) for each in told] == [
        ("To be committed by VNA", "", 1, 2),
        ("VNA asked to commit: not reached", "refused", 2, 2),
        ("VNA asked to commit: refused", "N-ACTION status 0123", 1, 2),
        ("Waits to be asked to commit: VNA", "", 1, 2),
    ]
    assert told[1].until == AT + timedelta(minutes=9)
