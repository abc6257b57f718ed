"""When a contact is sent what waits for it (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from schemas.schedule import opening
from services.admin.notices.contact import Contact
from services.admin.notices.kinds import Kind


def due(
    contact: Contact, oldest: Mapping[Kind, datetime], sent_at: datetime | None, now: datetime, gap: timedelta
) -> list[Kind]:
    """The kinds of which everything that waits is sent now, in one letter; empty: nothing.

    ``oldest``: since when the first one of each kind waits. ``sent_at``: when the last letter went. Letters to a
    contact that wants them at once keep a ``gap``, so that a thousand failures are not a thousand letters.
    """
    if not contact.enabled:
        return []
    quiet = bool(contact.quiet) and opening(contact.quiet, now).open(now)
    allowed = [kind for kind in oldest if not quiet or kind in contact.urgent]
    if not allowed:
        return []
    if contact.digest_minutes:
        ready = now >= min(oldest[kind] for kind in allowed) + timedelta(minutes=contact.digest_minutes)
    else:
        ready = sent_at is None or now >= sent_at + gap
    return allowed if ready else []
