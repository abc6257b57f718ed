"""Looks at patient data, for the audit."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal

from services.admin.changes import acting_address, audit
from services.runtime.db import Connection, Database

Look = Literal[
    "studies.search", "studies.view", "studies.header", "studies.picture", "studies.download", "station.query",
]  # fmt: skip
AuditLook = Literal["audit.view"]
"""Its entries have no UIDs."""
RulesLook = Literal["rules.try", "rules.explain", "rules.values", "rules.test"]
MOST_NAMED: Final = 1000
SAME_LOOK_SECONDS: Final = 3600.0
MOST_REMEMBERED: Final = 100_000


_WATCHED: Final[ContextVar[list[str] | None]] = ContextVar("looks", default=None)


@contextmanager
def watched() -> Iterator[list[str]]:
    """The looks that are written down within the block."""
    found: list[str] = []
    token = _WATCHED.set(found)
    try:
        yield found
    finally:
        _WATCHED.reset(token)


async def looked(database: Database, actor: str, how: Look | RulesLook, uids: Sequence[str]) -> None:
    """Write down who saw which studies, series or instances, by their UIDs; what was searched for may name people and
    is not kept."""

    async def work(conn: Connection) -> None:
        seen = {"uids": list(uids[:MOST_NAMED]), "found": len(uids)}
        await audit(conn, actor, how, uids[0] if len(uids) == 1 else "", None, seen)

    await database.retry(work)
    if (found := _WATCHED.get()) is not None:
        found.append(how)


class Lately:
    """Who saw what from where within the last hour: a page that brings itself up to date, and the pictures of a series,
    are one look. What is forgotten is written down once more, never once less."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str | None, Look | AuditLook, str], float] = OrderedDict()

    def fresh(self, actor: str, how: Look | AuditLook, uids: Sequence[str]) -> list[str]:
        """Those that this actor did not see lately from the address he acts from; from now on he did."""
        now, found = self._clock(), []
        for uid in uids:
            key = (actor, acting_address(), how, uid)
            if now - self._seen.get(key, -SAME_LOOK_SECONDS) >= SAME_LOOK_SECONDS:
                found.append(uid)
                self._seen[key] = now
                self._seen.move_to_end(key)
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return found


async def looked_again(database: Database, lately: Lately, actor: str, how: Look, uids: Sequence[str]) -> None:
    """As ``looked``, but only for what this actor did not see lately."""
    if fresh := lately.fresh(actor, how, uids):
        await looked(database, actor, how, fresh)


async def looked_at_audit(database: Database, lately: Lately, actor: str) -> None:
    """Write down that somebody reads the audit, which may name patients: once an hour, as it is read page by page."""
    if lately.fresh(actor, "audit.view", [""]):
        await database.retry(lambda conn: audit(conn, actor, "audit.view", "", None, None))
