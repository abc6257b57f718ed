"""Jobs, named or as a filter finds them: cancelled, tried again, sent elsewhere, put first.

What is done is done to what was chosen: a request names the deliveries (``bulk.py``), and a filter takes no job that
was made after a person was told how many it finds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from services.admin import bulk, deliveries, precedence, requests
from services.admin.deliveries import Chosen
from services.admin.errors import NotFound, Refused
from services.admin.jobs import Filter
from services.admin.sql import SQL
from services.runtime.db import Database
from services.runtime.errors import UsageError

Action = Literal["retry", "cancel", "reroute", "first"]
MOST: Final = 10_000
"""Jobs at once."""
LONGEST_WHY: Final = 300
OPEN: Final = ("QUEUED", "ACTIVE")
_UNDONE: Final = (*OPEN, "FAILED", "CANCELED")
_JOBS: Final[Mapping[Action, tuple[Sequence[str], Sequence[str]]]] = {
    "retry": (_UNDONE, ("send", "retrieve")),
    "cancel": (OPEN, ("send", "retrieve")),
    "reroute": (_UNDONE, ("send",)),
    "first": (OPEN, ("send",)),
}
"""States and kinds of the jobs that each can be done to."""


@dataclass(frozen=True)
class Wanted:
    """``named``: these jobs; None: all that the filter finds. ``until``: none that was made later."""

    named: Sequence[UUID] | None = None
    filter: Filter = field(default_factory=Filter)
    until: datetime | None = None


@dataclass(frozen=True)
class ChosenJobs:
    """``sending``: jobs that send, of which ``deliveries`` are concerned; ``retrieving``: retrieve jobs. ``more``:
    there are others. ``at``: when it was looked."""

    sending: Sequence[UUID]
    retrieving: Sequence[UUID]
    deliveries: Sequence[deliveries.Named]
    more: bool
    at: datetime

    @property
    def count(self) -> int:
        """How many jobs."""
        return len(self.sending) + len(self.retrieving)


@dataclass(frozen=True)
class Done:
    """``requests``: what was asked of the forwarder, ``touched``: the deliveries it did it to; ``queued`` requests it
    will carry out when it runs; ``refused``: why it did not do others."""

    requests: Sequence[UUID]
    touched: int
    queued: int
    refused: Sequence[str]


async def choose(database: Database, action: Action, wanted: Wanted) -> ChosenJobs:
    """What an action would be done to. Changes nothing. Raises ``UsageError`` for too many jobs by name."""
    if wanted.named is not None and len(wanted.named) > MOST:
        raise UsageError(f"{len(wanted.named)} jobs: at most {MOST} at a time; filter them instead")
    states, kinds = _JOBS[action]
    asked = wanted.filter.parameters() | {
        "states": list(states), "kinds": list(kinds), "until": wanted.until, "limit": MOST + 1,
        "jobs": None if wanted.named is None else list(wanted.named),
    }  # fmt: skip
    async with database.transaction() as conn:
        rows = await (await conn.execute(SQL.choose_jobs, asked)).fetchall()
        (clock,) = await (await conn.execute(SQL.now)).fetchall()
        sending = [row["id"] for row in rows[:MOST] if row["kind"] == "send"]
        concerned = deliveries.WAITING if action == "first" else deliveries.STATES[action]
        named = {"jobs": sending, "states": list(concerned), "limit": deliveries.MOST + 1}
        found = await (await conn.execute(SQL.choose_deliveries_of, named)).fetchall()
    concerned_jobs = {row["job"] for row in found}
    sending = [job for job in sending if action == "first" or job in concerned_jobs]
    parts = [deliveries.named(row) for row in found[: deliveries.MOST]]
    retrieving = [row["id"] for row in rows[:MOST] if row["kind"] == "retrieve"]
    more = len(rows) > MOST or len(found) > deliveries.MOST
    return ChosenJobs(sending, retrieving, parts, more, clock["now"])


async def act(
    database: Database, actor: str, action: Action, chosen: ChosenJobs, to: str | None = None, why: str = ""
) -> Done:
    """Have it done. ``to``: where a reroute goes; ``why`` is audited.

    Raises ``NotFound``, ``Refused``, ``UsageError``.
    """
    if action == "first":
        return _done(await _put_first(database, actor, chosen.sending))
    if action == "reroute" and (to is None or not why.strip()):
        raise UsageError("reroute: name the station it goes to, and say why; the audit keeps it")
    done, refused = [], []
    try:
        done = await bulk.act(database, actor, action, Chosen(chosen.deliveries, [], chosen.more), to, why.strip())
    except Refused as error:
        if not chosen.retrieving:
            raise
        refused.append(str(error))
    ask = requests.retry if action == "retry" else requests.cancel
    for job in chosen.retrieving:
        answering = not done or done[-1].result is not None
        try:
            done.append(await ask(database, actor, job, waiting=answering))
        except (Refused, NotFound) as error:  # it ended meanwhile
            refused.append(str(error))
    return _done(done, refused)


async def _put_first(database: Database, actor: str, jobs: Sequence[UUID]) -> list[requests.Requested]:
    batches = (jobs[at : at + precedence.MOST_JOBS] for at in range(0, len(jobs), precedence.MOST_JOBS))
    return [await precedence.put_first(database, actor, batch) for batch in batches]


def _done(made: Sequence[requests.Requested], refused: Sequence[str] = ()) -> Done:
    results: list[Mapping[str, Any]] = [each.result for each in made if each.result is not None]
    reasons = {reason for result in results for reason in result.get("refused", ())}
    return Done(
        [each.id for each in made],
        sum(result.get("deliveries", 0) for result in results),
        len(made) - len(results),
        sorted({*reasons, *refused}),
    )
