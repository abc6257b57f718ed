"""What is sent: a mail, or a document for a webhook, of one or many events (pure)."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from itertools import groupby
from typing import Any, Final

from services.admin.notices.kinds import Event, Kind, counted, path, plain, told

SIGNATURE: Final = "X-Gateway-Signature"
TIMESTAMP: Final = "X-Gateway-Timestamp"


@dataclass(frozen=True)
class Letter:
    """What one contact is told at once. ``gateway``: our AE title; ``desk_url``: links begin with it (empty: none)."""

    gateway: str
    desk_url: str
    contact: str
    events: Sequence[Event]
    at: datetime

    @property
    def key(self) -> str:
        """The same whenever the same is told to the same contact: who gets it twice knows."""
        text = json.dumps([self.contact, *sorted((each.kind, each.id) for each in self.events)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def mail(letter: Letter, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """RFC 5322; no header holds a line end, whatever names of stations hold."""
    message = EmailMessage(SMTP)
    message["Subject"] = subject(letter)
    message["From"] = Address(f"{plain(letter.gateway)} gateway", addr_spec=sender)
    message["To"] = [Address(addr_spec=each) for each in recipients]
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.key}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_lines(letter)))
    return message


def subject(letter: Letter) -> str:
    """What the letter is about, in a line."""
    kinds = [(kind, len(events)) for kind, events in _by_kind(letter.events)]
    of = ", ".join(dict.fromkeys(station for each in letter.events for station in each.stations[:1]))
    text = f"[{letter.gateway}] {', '.join(counted(kind, count) for kind, count in kinds)}"
    return plain(f"{text}: {of}" if of and len(of) <= 80 else text)


def _lines(letter: Letter) -> Iterator[str]:
    for kind, events in _by_kind(letter.events):
        yield from (counted(kind, len(events)).capitalize(), "")
        for event in events:
            yield f"- {event.at:%Y-%m-%d %H:%M} UTC: {told(kind, event.facts)}"
            if letter.desk_url:
                yield f"  {letter.desk_url}{path(kind, event.facts)}"
        yield ""
    yield f"Sent to contact {letter.contact} by gateway {plain(letter.gateway)}."


def document(letter: Letter) -> bytes:
    """What is posted, as JSON."""
    return json.dumps(
        {
            "id": letter.key,
            "gateway": letter.gateway,
            "contact": letter.contact,
            "sent_at": letter.at.isoformat(),
            "notices": [_notice(letter, event) for event in letter.events],
        },
        ensure_ascii=False,
    ).encode()


def signed(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """Headers by which the receiver knows that a body comes from us, and when: HMAC-SHA256 of time, dot and body."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {TIMESTAMP: stamp, SIGNATURE: f"sha256={digest}"}


def _notice(letter: Letter, event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "kind": event.kind,
        "at": event.at.isoformat(),
        "text": told(event.kind, event.facts),
        "link": f"{letter.desk_url}{path(event.kind, event.facts)}" if letter.desk_url else None,
        "stations": list(event.stations),
        "rule": event.rule or None,
        "facts": dict(event.facts),
    }


def _by_kind(events: Sequence[Event]) -> list[tuple[Kind, list[Event]]]:
    order = list(Kind)
    ranked = sorted(events, key=lambda event: (order.index(event.kind), event.at, event.id))
    return [(kind, list(of)) for kind, of in groupby(ranked, key=lambda event: event.kind)]
