"""The journey of a study in the order of time (P8): what ``history.known`` found, told together where it is the same
(pure)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.admin import removals
from services.admin.counted import counted
from services.admin.patients.commitment_journey import asked_of_others, asked_of_us
from services.admin.patients.journey_event import Event, Kind, Tone, joined, listed
from services.dicom.iods.findings import count
from services.dicom.status import name

_TONES: Final[Mapping[str, Tone]] = {
    "FAILED": "bad", "DELIVERED": "good", "COMPLETED": "good", "WARNED": "warn", "UNKNOWN": "warn", "CANCELED": "warn",
    "SENDING": "go",
}  # fmt: skip
_ATTEMPTED: Final = {
    "DELIVERED": "delivered", "WARNED": "delivered with a warning", "SENDING": "being sent", "FAILED": "not delivered",
    "UNKNOWN": "sent, but not answered",
}  # fmt: skip
_STANDING: Final = {
    "PENDING": "waits to be sent to", "UNKNOWN": "will be sent again to", "CANCELED": "given up for",
    "SUPERSEDED": "replaced by a newer revision for",
}  # fmt: skip


def events(found: Mapping[str, Any]) -> list[Event]:
    """The events of what ``history.known`` found, the earliest first; what has not happened yet comes last."""
    anew = _anew(found["instances"])
    grouped: dict[tuple[object, ...], Event] = {}
    for event in _single(found):
        since = sum(event.at is None or event.at >= each for each in anew[event.instances[0]])
        key = (event.kind, event.text, event.tone, event.detail, event.link, since)
        known = grouped.setdefault(key, event)
        if known is event:
            continue
        known.times += event.instances[0] == known.instances[0]
        known.instances += event.instances if event.instances[-1] != known.instances[-1] else []
        known.at = min(filter(None, (known.at, event.at)), default=None)
        known.until = max(filter(None, (known.until, event.until)), default=None)
    for event in grouped.values():
        event.instances = list(dict.fromkeys(event.instances))
    return sorted(grouped.values(), key=lambda event: event.at or datetime.max.replace(tzinfo=UTC))


def _anew(instances: Sequence[Mapping[str, Any]]) -> Mapping[str, list[datetime]]:
    """By SOP Instance UID when it came after it was gone: what happened before and after is not told together."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for instance in instances:
        new = [each for each in instance["receipts"] if each["disposition"] != "DUPLICATE"]
        times[instance["uid"]] += [each["received_at"] for each in new[1:]]
    return times


def _single(found: Mapping[str, Any]) -> Iterator[Event]:
    for instance in found["instances"]:
        yield from _received(instance)
        yield from _judged(instance)
        yield from _gone(instance)
    revised = any(delivery["revision"] > 1 for delivery in found["deliveries"])
    for delivery in found["deliveries"]:
        yield from _sent(delivery, f", revision {delivery['revision']}" if revised else "")
    for retrieval in found["retrievals"]:
        yield from _retrieved(retrieval)
    for commitment in found["asked_of_others"]:
        yield from asked_of_others(commitment)
    for commitment in found["asked_of_us"]:
        yield from asked_of_us(commitment)


def _event(
    kind: Kind, uid: str, at: datetime | None, text: str, tone: Tone = "", *, detail: str = "", link: str = ""
) -> Event:
    return Event(kind, text, tone, detail, link, at, at, [uid])


def _received(instance: Mapping[str, Any]) -> Iterator[Event]:
    """Every time its content came. Findings are counted: each instance tells them as sentences."""
    receipts: Sequence[Mapping[str, Any]] = instance["receipts"] or [
        {
            "received_at": instance["received_at"], "source": instance["source"], "disposition": "NEW", "job": None,
            "gone": None,
        }
    ]  # fmt: skip
    findings, gone = instance["findings"], None
    for each in receipts:
        again = each["disposition"] == "DUPLICATE"
        remarks = counted(count(findings), "findings") if findings else ""
        if instance["corrected_by"] and not again:
            text, detail = _correction(instance), remarks
        else:
            text = f"{'Received again, same content,' if again else 'Received'} from {each['source']}"
            text += f" as revision {instance['revision']}" if instance["revision"] > 1 and not again else ""
            text += f", after it was {gone['how']}" if gone and not again else ""
            detail = joined(f"answered {_status(instance['status'])}", remarks)
        link = f"/jobs/{each['job']}" if each["job"] and not instance["corrected_by"] else ""
        tone: Tone = "warn" if findings else "good"
        yield _event("received", instance["uid"], each["received_at"], text, tone, detail=detail, link=link)
        if each["gone"]:
            gone = each["gone"]
            yield _removed(instance["uid"], gone)


def _correction(instance: Mapping[str, Any]) -> str:
    """Nobody sent it: it was made here."""
    why = f": {instance['corrected_why']}" if instance["corrected_why"] else ""
    return f"Corrected by {instance['corrected_by']} as revision {instance['revision']}{why}"


def _judged(instance: Mapping[str, Any]) -> Iterator[Event]:
    """Which rules took it, and where they did not send it all the same."""
    at, uid = instance["received_at"], instance["uid"]
    by = f"rule set {instance['rule_set']}" if instance["rule_set"] else "no rule set"
    if instance["matched"]:
        yield _event("matched", uid, at, f"Matched {listed(instance['matched'])}", detail=by)
    else:
        yield _event("matched", uid, at, "No rule matched", "warn", detail=by)
    for each in instance["not_sent"]:
        text = f"Not sent to {each['destination']}: {each['reason']}"
        yield _event("not sent", uid, at, text, "warn", detail=f"rule {each['rule']}")


def _gone(instance: Mapping[str, Any]) -> Iterator[Event]:
    if gone := instance["gone"]:
        yield _removed(instance["uid"], gone)


def _removed(uid: str, gone: Mapping[str, Any]) -> Event:
    return _event("removed", uid, gone["at"], _capital(removals.told(gone)), "warn")


def _sent(delivery: Mapping[str, Any], revision: str) -> Iterator[Event]:
    """Each attempt; and what it waits for, or why and when it was given up or replaced. ``revision``: which,
    where there are several."""
    uid, to, link = delivery["instance"], delivery["destination"] + revision, f"/jobs/{delivery['job']}"
    changed = "Changed by a rule and " if "transformation" in delivery else ""
    attempts, state = delivery["attempts"], delivery["state"]
    for number, each in enumerate(attempts, start=1):
        outcome = state if number == len(attempts) and state in _ATTEMPTED else "FAILED"
        text = f"{changed}{_ATTEMPTED[outcome]} to {to}"
        detail = joined(_status(each["status"]), each["reason"])
        yield _event("delivery", uid, each["at"], _capital(text), _TONES.get(outcome, ""), detail=detail, link=link)
    if state in _STANDING or not attempts:
        text, tone = f"{_STANDING.get(state, state.lower())} {to}", _TONES.get(state, "")
        at, why = delivery["finished_at"], delivery["reason"] or ""
        yield _event("delivery", uid, at, _capital(text), tone, detail=why, link=link)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _retrieved(retrieval: Mapping[str, Any]) -> Iterator[Event]:
    state = retrieval["state"]
    text = f"{retrieval['operation']} by {retrieval['requester']} to {retrieval['destination']}: {state.lower()}"
    detail = joined(_status(retrieval["status"]), retrieval["reason"])
    yield _event("retrieval", retrieval["instance"], retrieval["at"], text, _TONES.get(state, ""), detail=detail)


def _status(code: str | None) -> str:
    """A status of C-STORE with its name."""
    return "" if code is None else f"{code} {name(int(code, 16)) or 'Success'}"
