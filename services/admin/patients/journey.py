"""The journey of a study in the order of time (P8): what ``explanations.where`` tells of each instance, told together
where it is the same (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from services.dicom.status import name

Kind = Literal["received", "matched", "not sent", "delivery", "commitment", "retrieval"]
MOST_NAMED: Final = 20
_BAD: Final = frozenset({"FAILED", "FAILURE", "UNANSWERED"})
_GOOD: Final = frozenset({"DELIVERED", "COMPLETED", "SUCCESS"})
_WARN: Final = frozenset({"WARNED", "UNKNOWN", "CANCELED"})
_ATTEMPTED: Final = {
    "DELIVERED": "delivered", "WARNED": "delivered with a warning", "SENDING": "being sent", "FAILED": "not delivered",
    "UNKNOWN": "sent, but not answered",
}  # fmt: skip
_STANDING: Final = {
    "PENDING": "waits to be sent to", "UNKNOWN": "will be sent again to", "CANCELED": "given up for",
    "SUPERSEDED": "replaced by a newer revision for",
}  # fmt: skip


@dataclass
class Event:
    """What happened to ``count`` instances alike, from ``at`` to ``until``. ``tone``: good, bad, warn, go or empty.
    ``link``: the job or commitment it belongs to."""

    kind: Kind
    text: str
    tone: str = ""
    detail: str = ""
    link: str = ""
    at: datetime | None = None
    until: datetime | None = None
    instances: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many instances."""
        return len(self.instances)

    def document(self) -> dict[str, Any]:
        """As plain data, with the first instances by name."""
        told = {
            each: getattr(self, each) for each in ("kind", "text", "tone", "detail", "link", "at", "until", "count")
        }
        return told | {"instances": self.instances[:MOST_NAMED]}


def events(found: Mapping[str, Any]) -> list[Event]:
    """The events of what ``explanations.where`` found, the earliest first; what has not happened yet comes last."""
    grouped: dict[tuple[str, ...], Event] = {}
    for event in _single(found):
        key = (event.kind, event.text, event.tone, event.detail, event.link)
        known = grouped.setdefault(key, event)
        if known is event:
            continue
        known.instances += [uid for uid in event.instances if uid not in known.instances[-1:]]
        known.at = min(filter(None, (known.at, event.at)), default=None)
        known.until = max(filter(None, (known.until, event.until)), default=None)
    for event in grouped.values():
        event.instances = list(dict.fromkeys(event.instances))
    return sorted(grouped.values(), key=lambda event: event.at or datetime.max.replace(tzinfo=UTC))


def _single(found: Mapping[str, Any]) -> Iterator[Event]:
    for instance in found["instances"]:
        yield from _received(instance)
        yield from _judged(instance)
    for delivery in found["deliveries"]:
        yield from _sent(delivery)
    for retrieval in found["retrievals"]:
        yield from _retrieved(retrieval)


def _event(kind: Kind, uid: str, at: datetime | None, text: str, tone: str = "", **more: str) -> Event:
    return Event(kind, text, tone, at=at, until=at, instances=[uid], **more)


def _received(instance: Mapping[str, Any]) -> Iterator[Event]:
    """Every time its content came."""
    receipts: Sequence[Mapping[str, Any]] = instance["receipts"] or [
        {"received_at": instance["received_at"], "source": instance["source"], "disposition": "NEW", "job": None}
    ]
    for each in receipts:
        again = each["disposition"] == "DUPLICATE"
        text = f"{'Received again, same content,' if again else 'Received'} from {each['source']}"
        if instance["revision"] > 1 and not again:
            text += f" as revision {instance['revision']}"
        status = instance["status"]
        detail = f"answered {_status(status)}" + (f", {_listed(instance['findings'])}" if instance["findings"] else "")
        link = f"/jobs/{each['job']}" if each["job"] else ""
        tone = "warn" if instance["findings"] else "good"
        yield _event("received", instance["uid"], each["received_at"], text, tone, detail=detail, link=link)


def _judged(instance: Mapping[str, Any]) -> Iterator[Event]:
    """Which rules took it, and where they did not send it all the same."""
    at, uid = instance["received_at"], instance["uid"]
    by = f"rule set {instance['rule_set']}" if instance["rule_set"] else "no rule set"
    if instance["matched"]:
        yield _event("matched", uid, at, f"Matched {_listed(instance['matched'])}", detail=by)
    else:
        yield _event("matched", uid, at, "No rule matched", "warn", detail=by)
    for each in instance["not_sent"]:
        text = f"Not sent to {each['destination']}: {each['reason']}"
        yield _event("not sent", uid, at, text, "warn", detail=f"rule {each['rule']}")


def _sent(delivery: Mapping[str, Any]) -> Iterator[Event]:
    """Each attempt; what it waits for, or why it is given up; and what became of its commitment."""
    uid, to, link = delivery["instance"], delivery["destination"], f"/jobs/{delivery['job']}"
    changed = "Changed by a rule and " if "transformation" in delivery else ""
    attempts, state = delivery["attempts"], delivery["state"]
    for number, each in enumerate(attempts, start=1):
        outcome = state if number == len(attempts) and state in _ATTEMPTED else "FAILED"
        text = f"{changed}{_ATTEMPTED[outcome]} to {to}"
        detail = _joined(_status(each["status"]), each["reason"])
        yield _event("delivery", uid, each["at"], _capital(text), _tone(outcome), detail=detail, link=link)
    if state in _STANDING or not attempts:
        text = f"{_STANDING.get(state, state.lower())} {to}"
        yield _event("delivery", uid, None, _capital(text), _tone(state), detail=delivery["reason"] or "", link=link)
    asked = delivery["commitment"]
    if asked is not None:
        text = f"Commitment by {asked['server']}: {asked['state'].lower()}"
        detail = _joined(asked["status"], asked["failure_reason"])
        where = f"/commitments/{asked['id']}"
        yield _event("commitment", uid, asked["archived_at"], text, _tone(asked["state"]), detail=detail, link=where)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _retrieved(retrieval: Mapping[str, Any]) -> Iterator[Event]:
    state = retrieval["state"]
    text = f"{retrieval['operation']} by {retrieval['requester']} to {retrieval['destination']}: {state.lower()}"
    detail = _joined(_status(retrieval["status"]), retrieval["reason"])
    yield _event("retrieval", retrieval["instance"], retrieval["at"], text, _tone(state), detail=detail)


def _status(code: str | None) -> str:
    """A status of C-STORE with its name."""
    return "" if code is None else f"{code} {name(int(code, 16)) or 'Success'}"


def _tone(state: str) -> str:
    for tone, states in (("good", _GOOD), ("bad", _BAD), ("warn", _WARN)):
        if state in states:
            return tone
    return "go" if state == "SENDING" else ""


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
