"""A test of a contact: a letter is sent to it now, by each of its channels, and it is told in words what came of it."""

from dataclasses import dataclass

from services.admin.changes import audit
from services.admin.notices import contacts
from services.admin.notices.channels import NotSent
from services.admin.notices.contact import Contact
from services.admin.notices.kinds import Channel, Event, Kind
from services.admin.notices.letters import Letter
from services.admin.notices.sending import Sender, deliver
from services.runtime.clock import now
from services.runtime.db import Connection, Database


@dataclass(frozen=True)
class Tried:
    """What came of a letter by one channel."""

    channel: Channel
    ok: bool
    text: str


async def send_test(database: Database, actor: str, sender: Sender, name: str) -> list[Tried]:
    """Send it, whatever the contact's hours. Raises ``NotFound``."""
    contact, secret = await contacts.with_secret(database, name)

    async def work(conn: Connection) -> None:
        await audit(conn, actor, "contact.test", contact.name, None, None)

    await database.retry(work)
    event = Event(0, Kind.TEST, now(), facts={"contact": contact.name})
    letter = Letter(sender.gateway, sender.desk_url, contact.name, [event], event.at)
    return [await _tried(sender, contact, secret, channel, letter) for channel in contact.channels()]


async def _tried(sender: Sender, contact: Contact, secret: str | None, channel: Channel, letter: Letter) -> Tried:
    try:
        remark = await deliver(sender, contact, secret, channel, letter)
    except NotSent as fault:
        return Tried(channel, False, str(fault))
    if channel is Channel.WEBHOOK:
        return Tried(channel, True, "the webhook took it")
    return Tried(channel, not remark, remark or f"the mail server took it for {', '.join(contact.mails)}")
