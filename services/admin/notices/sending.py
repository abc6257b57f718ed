"""What waits is sent: a letter to each contact and channel whose time has come, by one process at a time.

A line, one channel to one contact, is a row with a lease, its failures and the time of its next attempt; so a restart
changes none of it, and a server that is away keeps nobody else waiting.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import structlog

from services.admin import metrics
from services.admin.notices import channels, contacts
from services.admin.notices.channels import NotSent
from services.admin.notices.contact import Addressee, Contact
from services.admin.notices.kinds import Channel, Event, Kind
from services.admin.notices.letters import Letter, document, mail, signed
from services.admin.notices.settings import NoticeSettings
from services.admin.notices.timing import due
from services.runtime.db import Connection, Database, load_queries

QUERIES: Final = load_queries(__package__, "sending.sql")
LEASE_SECONDS: Final = 900.0
"""Longer than a letter may take."""
MOST_EVENTS: Final = 200
"""In one letter; what is left comes with the next one."""
MOST_LINES: Final = 8
"""That one process sends by at a time."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Turn:
    """A line by which it is time to send, with the kinds that are sent."""

    contact: str
    channel: Channel
    kinds: Sequence[Kind]
    sent_at: datetime | None
    holder: str

    @property
    def values(self) -> dict[str, Any]:
        """For queries."""
        line = {"contact": self.contact, "channel": self.channel, "holder": self.holder}
        return line | {"kinds": list(self.kinds), "sent_at": self.sent_at, "lease": LEASE_SECONDS, "limit": MOST_EVENTS}


@dataclass(frozen=True)
class Sender:
    """What letters are sent with. ``gateway``: our AE title; ``desk_url``: links begin with it."""

    settings: NoticeSettings
    gateway: str
    desk_url: str


async def send(database: Database, sender: Sender) -> None:
    """Send by every line whose time has come. A failure is written down and tried again later."""
    turns = await _turns(database, sender)
    limit = asyncio.Semaphore(MOST_LINES)

    async def taken(turn: Turn) -> None:
        async with limit:
            await _send_by(database, sender, turn)

    results = await asyncio.gather(*(taken(turn) for turn in turns), return_exceptions=True)
    await _measure(database)
    for fault in (each for each in results if isinstance(each, BaseException)):
        raise fault


async def deliver(sender: Sender, contact: Contact, secret: str | None, channel: Channel, letter: Letter) -> str:
    """Send one letter; returns a remark, or an empty text. Raises ``NotSent``."""
    if channel is Channel.MAIL:
        message = mail(letter, sender.settings.smtp_from or "gateway@localhost", contact.mails)
        return await channels.send_mail(sender.settings, message, contact.mails)
    body = document(letter)
    await channels.post(sender.settings, contact.webhook or "", body, signed(body, secret or "", letter.at))
    return ""


async def _turns(database: Database, sender: Sender) -> list[Turn]:
    async with database.transaction() as conn:
        await conn.execute(QUERIES.drop_notices)
        rows = await (await conn.execute(QUERIES.waiting_lines, {"lease": LEASE_SECONDS})).fetchall()
        known = await contacts.addressees(conn) if rows else {}
    return _due(rows, known, timedelta(seconds=sender.settings.gap_seconds))


def _due(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Addressee], gap: timedelta) -> list[Turn]:
    lines: dict[tuple[str, Channel], dict[Kind, datetime]] = {}
    for row in rows:
        lines.setdefault((row["contact"], Channel(row["channel"])), {})[Kind(row["kind"])] = row["oldest"]
    sent = {(row["contact"], Channel(row["channel"])): (row["sent_at"], row["now"]) for row in rows}
    turns = []
    for (name, channel), oldest in lines.items():
        sent_at, now = sent[name, channel]
        kinds = due(known[name], oldest, sent_at, now, gap) if name in known else []
        if kinds:
            turns.append(Turn(name, channel, kinds, sent_at, str(uuid4())))
    return turns


async def _send_by(database: Database, sender: Sender, turn: Turn) -> None:
    claimed = await database.retry(lambda conn: _claim(conn, turn))
    if claimed is None:
        return
    at, events = claimed
    contact, secret = await contacts.with_secret(database, turn.contact)
    letter = Letter(sender.gateway, sender.desk_url, turn.contact, events, at)
    try:
        remark = await deliver(sender, contact, secret, turn.channel, letter)
    except NotSent as error:
        fault = str(error)
        log.warning("notice_not_sent", contact=turn.contact, channel=turn.channel, reason=fault)
        await database.retry(lambda conn: _failed(conn, turn, events, fault))
    else:
        await database.retry(lambda conn: _sent(conn, turn, events, remark))


async def _claim(conn: Connection, turn: Turn) -> tuple[datetime, list[Event]] | None:
    """What is to be sent, and when that is; None: somebody else sends it."""
    if await (await conn.execute(QUERIES.claim_line, turn.values)).fetchone() is None:
        return None
    rows = await (await conn.execute(QUERIES.take_notices, turn.values)).fetchall()
    if not rows:
        await conn.execute(QUERIES.release_line, turn.values)
        return None
    (clock,) = await (await conn.execute("select now() as now")).fetchall()
    return clock["now"], [Event(**row | {"kind": Kind(row["kind"])}) for row in rows]


async def _sent(conn: Connection, turn: Turn, events: Sequence[Event], remark: str) -> None:
    await conn.execute(QUERIES.line_sent, turn.values)
    await conn.execute(QUERIES.notices_sent, turn.values | {"events": [each.id for each in events], "remark": remark})
    for event in events:
        metrics.NOTICES.labels(event.kind, turn.channel, "sent").inc()


async def _failed(conn: Connection, turn: Turn, events: Sequence[Event], fault: str) -> None:
    values = turn.values | {"events": [each.id for each in events], "fault": fault[:500]}
    await conn.execute(QUERIES.line_failed, values)
    states = {
        row["event"]: row["state"] for row in await (await conn.execute(QUERIES.notices_failed, values)).fetchall()
    }
    for event in events:
        outcome = "given up" if states.get(event.id) == "GIVEN UP" else "failed"
        metrics.NOTICES.labels(event.kind, turn.channel, outcome).inc()


async def _measure(database: Database) -> None:
    async with database.transaction() as conn:
        (row,) = await (await conn.execute(QUERIES.measure_waiting)).fetchall()
    metrics.NOTICES_WAITING.set(row["waiting"])
    metrics.OLDEST_NOTICE.set(row["seconds"])
