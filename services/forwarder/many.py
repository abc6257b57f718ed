"""What people ask for of many deliveries at once; each request names a bounded batch of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg.rows import DictRow

from services.dicom.rules import UNSENDABLE
from services.forwarder import jobs
from services.forwarder.configuration import Configuration
from services.forwarder.planning import PRIORITIES
from services.forwarder.states import Event, State, sources
from services.runtime.db import Connection, load_queries
from services.runtime.requests import Refused

QUERIES = load_queries(__package__, "many.sql")
RETRIABLE: Final = sources(Event.RETRY) - {State.PENDING}
MOST: Final = 10_000


class Many:
    """The use cases *retry*, *cancel* and *reroute* of many deliveries. What ended or changed meanwhile is let be."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    async def retry(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """Have them tried again at once. Those of a station that is away from the configuration stay as they are."""
        chosen = await _chosen(connection, row["body"], RETRIABLE)
        refusals = {title: self._configuration.refusal(title) for title in {each["destination"] for each in chosen}}
        again = [each for each in chosen if refusals[each["destination"]] is None]
        concerned, titles = {each["job"] for each in again}, {each["destination"] for each in again}
        await connection.execute(QUERIES.retry, _keys(again))
        await connection.execute(QUERIES.reopen_jobs, {"jobs": sorted(concerned)})
        await connection.execute(QUERIES.probe_now, {"titles": sorted(titles)})
        await jobs.recompute(connection, concerned)
        await jobs.notify(connection, titles)
        refused = sorted(refusal for refusal in refusals.values() if refusal)
        return {"deliveries": len(again)} | ({"refused": refused} if refused else {})

    async def cancel(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """Give up those that wait."""
        chosen = await _chosen(connection, row["body"], sources(Event.CANCEL))
        await _cancel(connection, chosen, f"cancelled by {row['requested_by']}")
        return {"deliveries": len(chosen)}

    async def reroute(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """Give them up, and send the same to another station in jobs of their own."""
        to = str(row["body"]["to"])
        refusal = self._configuration.refusal(to)
        if refusal is not None:
            raise Refused(refusal)
        chosen = await _chosen(connection, row["body"], sources(Event.REROUTE))
        chosen = [each for each in chosen if each["destination"] != to]
        why = f": {row['body']['why']}" if row["body"].get("why") else ""
        await _cancel(connection, chosen, f"rerouted to {to} by {row['requested_by']}{why}")
        parameters = _keys(chosen) | {"to": to, "request": row["id"], "priority": PRIORITIES["high"]}
        await connection.execute(QUERIES.insert_rerouted_jobs, parameters)
        unsendable = {"unsendable": list(self._configuration.profile.unsendable), "unsendable_reason": UNSENDABLE}
        sent = await (await connection.execute(QUERIES.insert_rerouted, parameters | unsendable)).fetchall()
        await jobs.recompute(connection, {each["job"] for each in sent})
        await jobs.notify(connection, {to})
        return {"deliveries": len(chosen), "sent": len(sent)}


async def _chosen(connection: Connection, body: Mapping[str, Any], states: frozenset[State]) -> list[DictRow]:
    """The named deliveries that are in one of the states, locked after their jobs."""
    named = body["deliveries"]
    if len(named) > MOST:
        raise Refused(f"{len(named)} deliveries in one request: at most {MOST}")
    keys = {"received_at": [each[0] for each in named], "id": [each[1] for each in named]}
    parameters = keys | {"states": [state.value for state in states]}
    await jobs.lock(connection, {row["job"] for row in await _fetch(connection, QUERIES.jobs_of, keys)})
    return await _fetch(connection, QUERIES.lock_chosen, parameters)


async def _fetch(connection: Connection, query: Any, parameters: Mapping[str, Any]) -> list[DictRow]:
    return await (await connection.execute(query, parameters)).fetchall()


async def _cancel(connection: Connection, chosen: Sequence[DictRow], reason: str) -> None:
    concerned = {each["job"] for each in chosen}
    await connection.execute(QUERIES.cancel, _keys(chosen) | {"reason": reason[:500]})
    await jobs.recompute(connection, concerned)
    await connection.execute(QUERIES.close_canceled_jobs, {"jobs": sorted(concerned)})


def _keys(rows: Sequence[DictRow]) -> dict[str, Any]:
    return {"received_at": [row["received_at"] for row in rows], "id": [row["id"] for row in rows]}
