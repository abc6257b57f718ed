"""What needs a person, the worst first (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import quote

from services.admin.counted import counted
from services.admin.reachability import word

LATE_SECONDS: Final = 600
"""After which audit messages should have reached the syslog server."""
RANKS: Final = ("bad", "warn")


@dataclass(frozen=True)
class Need:
    """``link``: where it is looked into; ``since``: for how long it has been so, if that is known."""

    tone: Literal["bad", "warn"]
    text: str
    link: str
    since: datetime | None = None


def needs(status: Mapping[str, Any], systems: Mapping[str, str], *, disk_low: bool) -> list[Need]:
    """Of the overview, of what does not answer by name and why, and of the disk."""
    found = [
        *(Need("bad", f"{name}: {fault}", "/") for name, fault in systems.items() if fault),
        *([Need("bad", "the disk of the objects is nearly full: what comes is refused", "/")] if disk_low else []),
        *_destinations(status["destinations"]),
        *_silent(status["silent"]),
        *_counts(status),
        *_notices(status["notices"]),
    ]
    return sorted(found, key=lambda need: RANKS.index(need.tone))


def _destinations(destinations: Sequence[Mapping[str, Any]]) -> Iterator[Need]:
    for each in destinations:
        found, link = word(each), f"/stations/{quote(each['title'], safe='')}"
        if found.word == "failing":
            waiting = f"; {_wait(each['waiting'])}" if each["waiting"] else ""
            text = f"{each['title']} cannot be sent to: {each['last_failure']}{waiting}"
            yield Need("bad", text, link, each["failing_since"])
        elif found.word == "slow":
            yield Need("warn", f"{each['title']} is slow: {_wait(each['waiting'])}", link, each["oldest_waiting_at"])
        elif found.word == "held":
            waits = _wait(each["held"]) if each["held"] else "nothing waits"
            since = each["held_since"] or each["oldest_waiting_at"]
            yield Need("warn", f"{each['title']} is held: {waits}", link, since)


def _silent(silent: Sequence[Mapping[str, Any]]) -> Iterator[Need]:
    for each in silent:
        came = f"nothing came for its {each['hours']} h" if each["heard_at"] else "nothing ever came"
        link = f"/stations/{quote(each['title'], safe='')}"
        yield Need("warn", f"{each['title']} is silent: {came}", link, each["since"])


def _counts(status: Mapping[str, Any]) -> Iterator[Need]:
    if failed := status["jobs"].get("FAILED", 0):
        yield Need("bad", f"{counted(failed, 'jobs')} failed within 24 hours", "/jobs?state=FAILED&ended=1d")
    if dead := status["dead_letters"]:
        waits = "waits as a dead letter" if dead == 1 else "wait as dead letters"
        yield Need("bad", f"{counted(dead, 'messages')} could not be handled and {waits}", "/attention")
    if failed := status["commitments"]["failed_last_day"]:
        text = f"{counted(failed, 'storage commitments')} failed within 24 hours"
        yield Need("bad", text, "/commitments?state=FAILURE")
    if unmatched := status["unmatched"]:
        were = "was" if unmatched == 1 else "were"
        text = f"{counted(unmatched, 'studies')} of 24 hours {were} sent nowhere"
        yield Need("warn", text, "/attention?since=1d#unmatched")
    if (messages := status["audit_messages"])["oldest_seconds"] > LATE_SECONDS:
        text = f"{messages['waiting']} audit entries have not reached the syslog server"
        yield Need("warn", text, "/audit", messages["oldest_at"])
    if too_often := status["received_too_often"]["instances"]:
        stations = ", ".join(status["received_too_often"]["stations"])
        again = f"{counted(too_often, 'instances')} received again and again from {stations}"
        yield Need("warn", f"{again}: do stations send in a circle?", "/")


def _notices(notices: Mapping[str, Any]) -> Iterator[Need]:
    for each in notices["failing"]:
        text = f"contact {each['contact']} cannot be told by {each['channel']}"
        yield Need("warn", text, "/attention#untold", each["failing_since"])
    if given_up := notices["given_up"]:
        were = "was" if given_up == 1 else "were"
        text = f"{counted(given_up, 'notices')} of 24 hours {were} given up: nobody was told"
        yield Need("bad", text, "/attention#untold")


def _wait(count: int) -> str:
    return f"{counted(count, 'instances')} {'waits' if count == 1 else 'wait'}"
