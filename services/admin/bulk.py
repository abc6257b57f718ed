"""Many deliveries at once, as a filter found them: tried again, given up or sent elsewhere.

The requests name the deliveries, a bounded batch in each: what is done is what was listed, whatever happens meanwhile,
and each batch is one transaction of the forwarder.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.admin import requests
from services.admin.deliveries import Action, Chosen
from services.admin.errors import Refused
from services.admin.station_rows import all_stations, found, title_of
from services.runtime.db import Connection, Database

KINDS: Final[dict[Action, requests.Kind]] = {
    "retry": "retry-deliveries", "cancel": "cancel-deliveries", "reroute": "reroute-deliveries",
}  # fmt: skip
BATCH: Final = 1000


async def act(
    database: Database, actor: str, action: Action, chosen: Chosen, to: str | None = None, why: str = ""
) -> list[requests.Requested]:
    """Have it done; a request for each batch. ``to``: where a reroute goes, ``why``: it is audited.

    Raises ``NotFound``; ``Refused`` also with the reasons for which nothing could be done.
    """

    async def work(conn: Connection) -> list[UUID]:
        body = {} if to is None else {"to": await _receiver(conn, to)}
        body |= {"why": why} if why else {}
        return [
            await requests.insert(conn, actor, KINDS[action], body | {"deliveries": chosen.deliveries[at : at + BATCH]})
            for at in range(0, len(chosen.deliveries), BATCH)
        ]

    done: list[requests.Requested] = []
    for request in await database.retry(work):
        answering = not done or done[-1].result is not None
        done.append(await requests.carried_out(database, request, waiting=answering))
    refuse_nothing_done(done)
    return done


def refuse_nothing_done(done: Sequence[requests.Requested]) -> None:
    """Raises ``Refused`` with the reasons where all was refused (pure)."""
    results = [each.result for each in done]
    reasons = sorted({reason for result in results if result for reason in result.get("refused", ())})
    if reasons and all(result is not None and not result.get("deliveries") for result in results):
        raise Refused("; ".join(reasons))


async def _receiver(conn: Connection, title: str) -> str:
    station = found(await all_stations(conn), title_of(title))
    if not station.store:
        raise Refused(
            f"station {station.title} may not be sent to; 'gateway station set {station.title} --store' allows it"
        )
    return station.title
