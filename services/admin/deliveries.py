"""Deliveries by a filter: those that many at once are tried again, given up or sent elsewhere (``bulk.py``)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from services.admin.sql import SQL
from services.admin.when import NEVER, When
from services.runtime.db import Database
from services.runtime.errors import UsageError

Action = Literal["retry", "cancel", "reroute"]
State = Literal["PENDING", "SENDING", "UNKNOWN", "FAILED", "CANCELED"]
WAITING: Final[tuple[State, ...]] = ("PENDING", "UNKNOWN")
STATES: Final[dict[Action, tuple[State, ...]]] = {
    "retry": ("FAILED", "CANCELED", "UNKNOWN"),
    "cancel": ("PENDING", "SENDING", "UNKNOWN"),
    "reroute": ("PENDING", "UNKNOWN", "FAILED", "CANCELED"),
}
"""What each can be done to; without a state in the filter: to the first, a reroute to the first three."""
USUAL: Final[dict[Action, tuple[State, ...]]] = {
    "retry": ("FAILED",), "cancel": STATES["cancel"], "reroute": STATES["reroute"][:3],
}  # fmt: skip
MOST: Final = 100_000


@dataclass(frozen=True)
class Filter:
    """Deliveries that meet all of it; None is met by all. ``since``: ended, or made if it waits, since then."""

    destination: str | None = None
    state: State | None = None
    rule: str | None = None
    study: str | None = None
    reason: str | None = None
    since: When = NEVER

    @property
    def empty(self) -> bool:
        """Whether everything meets it."""
        return self == Filter()


Named = tuple[str, int, str]
"""How a request names a delivery: when its instance was received, its number, and its state when it was chosen."""


@dataclass(frozen=True)
class Chosen:
    """The deliveries a filter found, at most ``MOST``; ``more``: there are others."""

    deliveries: Sequence[Named]
    groups: Sequence[dict[str, Any]]
    more: bool


async def choose(database: Database, action: Action, wanted: Filter, job: UUID | None = None) -> Chosen:
    """What an action would be done to, and a count of it by destination, state, rule and reason. Changes nothing.
    ``job``: all of this one that it can be done to.

    Raises ``UsageError`` for a filter without a condition or with a state that the action cannot be done to.
    """
    parameters = _parameters(action, wanted, job)
    async with database.transaction() as conn:
        rows = await (await conn.execute(SQL.choose_deliveries, parameters | {"limit": MOST + 1})).fetchall()
    chosen = rows[:MOST]
    counted = Counter((row["destination"], row["state"], row["rule"], row["reason"]) for row in chosen)
    names = ("destination", "state", "rule", "reason")
    groups = [dict(zip(names, group, strict=True), deliveries=count) for group, count in counted.most_common()]
    return Chosen([named(row) for row in chosen], groups, len(rows) > MOST)


def named(row: Mapping[str, Any]) -> Named:
    """A delivery, for a request (pure)."""
    return row["received_at"].isoformat(), row["id"], row["state"]


def _parameters(action: Action, wanted: Filter, job: UUID | None) -> dict[str, Any]:
    if wanted.empty and job is None:
        raise UsageError(
            "name what is meant: a JOB, or one of --destination, --state, --rule, --study, --since, --reason-contains"
        )
    if wanted.state is not None and wanted.state not in STATES[action]:
        raise UsageError(
            f"--state {wanted.state}: what is {wanted.state} cannot be {_DONE[action]}; "
            f"name one of {', '.join(STATES[action])}"
        )
    return {
        "states": [wanted.state] if wanted.state else list(USUAL[action] if job is None else STATES[action]),
        "job": job,
        "destination": wanted.destination,
        "rule": wanted.rule,
        "study": wanted.study,
        "reason": wanted.reason,
        **wanted.since.parameters("since"),
    }


_DONE: Final[dict[Action, str]] = {"retry": "retried", "cancel": "cancelled", "reroute": "rerouted"}
