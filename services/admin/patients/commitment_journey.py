"""Storage commitment in the journey of a study, both ways: what we asked of archives, what peers asked of us (pure).

Rows are those of ``history.sql``, each with ``items``: the instances of the study it is about, with their verdicts.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.admin.patients.journey_event import Event, Tone, joined
from services.admin.status_text import hexadecimal, to_the_minute
from services.dicom.commitment import failure_name

_OUTCOMES: Final[Mapping[str, tuple[str, Tone]]] = {
    "ASKING": ("being asked", "go"), "ACCEPTED": ("accepted", "good"), "REFUSED": ("refused", "bad"),
    "UNREACHED": ("not reached", "warn"), "UNANSWERED": ("not answered", "warn"),
}  # fmt: skip
_WAITING: Final[Mapping[str, str]] = {
    "COLLECTING": "Will be asked to commit when nothing more of the study comes: {}",
    "QUEUED": "Waits to be asked to commit: {}",
    "UNANSWERED": "Will be asked to commit again: {}",
    "WAITING FOR COMMITMENT": "Has to report what it committed: {}",
}
_BELIEVED: Final = frozenset({"APPLIED", "REPAIRED"})


def asked_of_others(row: Mapping[str, Any]) -> Iterator[Event]:
    """What we asked an archive to commit: each request, each report, what became of each instance, and how it ended or
    what it waits for."""
    server = row["server"]
    where = "" if server == row["destination"] else f"of what {row['destination']} was sent"
    again = row["repeats"] and joined("asked again", row["requested_by"] and f"by {row['requested_by']}")
    yield _event(row, row["created_at"], f"To be committed by {server}", detail=joined(where, again))
    for each in row["attempts"]:
        outcome, tone = _OUTCOMES[each["outcome"]]
        due = row["deadline"] if each["outcome"] == "ACCEPTED" else None
        detail = joined(each["reason"] or hexadecimal(each["status"]), due and f"to report by {to_the_minute(due)}")
        yield _event(row, each["started_at"], f"{server} asked to commit: {outcome}", tone, detail)
    for each in row["reports"]:
        yield _report(row, each)
    yield from _verdicts(row, "by", server)
    yield from _ended(row)


def asked_of_us(row: Mapping[str, Any]) -> Iterator[Event]:
    """What a peer asked us to commit: its request, what became of each instance, and our report."""
    peer = row["from"]
    in_use = "its Transaction UID is in use for other instances" if row["duplicate"] else ""
    joins = "the repetition of a request that is not finished" if row["state"] == "JOINED" else ""
    tone: Tone = "warn" if in_use else ""
    yield _event(row, row["received_at"], f"{peer} asked us to commit", tone, joined(in_use, joins))
    yield from _verdicts(row, "for", peer)
    answer = hexadecimal(row["status"])
    match row["state"]:
        case "CHECKING":
            yield _event(row, None, f"What {peer} asked us to commit is checked", "go")
        case "READY" | "SENDING":
            until = row["give_up_at"] and f"given up at {to_the_minute(row['give_up_at'])}"
            yield _event(row, None, f"The report to {peer} waits", detail=joined(answer, row["reason"], until))
        case "REPORTED":
            yield _event(row, row["reported_at"], f"Reported to {peer}", "good", answer or "")
        case "GIVEN UP":
            at = row["give_up_at"] or row["received_at"]
            yield _event(row, at, f"The report to {peer} was given up", "bad", joined(answer, row["reason"]))


def _report(row: Mapping[str, Any], report: Mapping[str, Any]) -> Event:
    """A report says of the whole request how much is committed; only one that is believed decides anything."""
    committed, failed = report["committed"], report["failed"]
    believed = report["verdict"] in _BELIEVED
    tone: Tone = "warn" if not believed else "bad" if failed else "good"
    verdict = "" if report["verdict"] == "APPLIED" else report["verdict"].lower()
    text = f"{report['from']} reported: {committed} committed, {failed} not"
    return _event(row, report["received_at"], text, tone, joined(verdict, report["remark"]))


def _verdicts(row: Mapping[str, Any], by: str, whom: str) -> Iterator[Event]:
    """Each instance with its verdict, and why it is not committed (R136)."""
    for item in row["items"]:
        code = item["failure_reason"]
        why = "" if code is None else f"{hexadecimal(code)} {failure_name(code)}"
        at, about = item["decided_at"], [item["instance"]]
        if item["state"] == "COMMITTED":
            yield _event(row, at, f"Committed {by} {whom}", "good", instances=about)
        elif item["state"] == "FAILED":
            yield _event(row, at, f"Not committed {by} {whom}", "bad", why, about)


def _ended(row: Mapping[str, Any]) -> Iterator[Event]:
    """That it failed and why, or what it waits for; of a success all is said."""
    server, state = row["server"], row["state"]
    if state == "FAILURE":
        yield _event(row, row["finished_at"], f"Commitment by {server} failed", "bad", row["reason"])
    elif state in _WAITING:
        next_at, due = row["next_attempt_at"], row["deadline"]
        when = joined(next_at and f"next at {to_the_minute(next_at)}", due and f"due by {to_the_minute(due)}")
        open_ones = [item["instance"] for item in row["items"] if item["state"] == "PENDING"]
        yield _event(row, None, _WAITING[state].format(server), "", joined(row["reason"], when), open_ones)


def _event(
    row: Mapping[str, Any], at: datetime | None, text: str, tone: Tone = "", detail: str | None = "",
    instances: Sequence[str] = (),
) -> Event:  # fmt: skip
    """Of all instances, unless some are named."""
    about = list(instances or dict.fromkeys(item["instance"] for item in row["items"]))
    return Event("commitment", text, tone, detail or "", f"/commitments/{row['id']}", at, at, about)
