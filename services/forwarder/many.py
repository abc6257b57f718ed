"""What people ask for of many deliveries at once; each request names a bounded batch of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow

from services.dicom.rules import UNSENDABLE
from services.forwarder import jobs, plans
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
        """Have them tried again at once. Those of a station that is away from the configuration, and those whose
        instance was deleted or erased, stay as they are."""
        chosen = await _chosen(connection, row["body"], RETRIABLE)
        refusals = {title: self._configuration.refusal(title) for title in {each["destination"] for each in chosen}}
        known = [each for each in chosen if refusals[each["destination"]] is None]
        kept = [each for each in known if each["kept"]]
        again = await _reopen(connection, kept, {each["job"] for each in kept})
        refused = sorted(refusal for refusal in refusals.values() if refusal) + _gone(len(known) - len(kept))
        return _told(again, refused)

    async def retry_job(self, connection: Connection, job: DictRow) -> dict[str, Any]:
        """Have all of a locked job tried again at once that is not delivered and goes by itself. Raises ``Refused``
        where nothing of it is kept."""
        await connection.execute(plans.QUERIES.lock_ledger)
        await connection.execute(QUERIES.keep_sending, {"job": job["id"]})
        named = await _fetch(connection, QUERIES.retriable_of_job, {"job": job["id"]})
        states = [state.value for state in sources(Event.RETRY)]
        chosen = await _fetch(connection, QUERIES.lock_chosen, _keys(named) | {"states": states})
        kept = [each for each in chosen if each["kept"]]
        refused = _gone(len(chosen) - len(kept))
        if refused and not kept:
            raise Refused(f"job {job['id']}: {refused[0]}")
        return _told(await _reopen(connection, kept, {job["id"]}), refused)

    async def cancel(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """Give up those that are not delivered: what is being sent is told to end. A job of which nothing is left to
        be sent is CANCELED."""
        chosen = await _chosen(connection, row["body"], sources(Event.CANCEL))
        await _cancel(connection, chosen, f"cancelled by {row['requested_by']}", ends_jobs=True)
        await jobs.notify_canceled(connection)
        return {"deliveries": len(chosen)}

    async def reroute(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """Give them up, and send the same to another station in jobs of their own. What others cancelled or rerouted
        since these were chosen stays as it is, and so does what is being sent, or goes there already."""
        to = str(row["body"]["to"])
        refusal = self._configuration.refusal(to)
        if refusal is not None:
            raise Refused(refusal)
        named = await _chosen(connection, row["body"], sources(Event.REROUTE) | {State.SENDING})
        given_up = _given_up_since(named, row["body"]["deliveries"])
        known = [each for each in named if each["id"] not in given_up]
        elsewhere = [each for each in known if each["destination"] != to]
        still = [each for each in elsewhere if each["state"] != State.SENDING.value]
        chosen = [each for each in still if each["kept"]]
        why = f": {row['body']['why']}" if row["body"].get("why") else ""
        await _cancel(connection, chosen, f"rerouted to {to} by {row['requested_by']}{why}")
        parameters = _keys(chosen) | {"to": to, "request": row["id"], "priority": PRIORITIES["high"]}
        await connection.execute(QUERIES.insert_rerouted_jobs, parameters)
        unsendable = {"unsendable": list(self._configuration.profile.unsendable), "unsendable_reason": UNSENDABLE}
        sent = await (await connection.execute(QUERIES.insert_rerouted, parameters | unsendable)).fetchall()
        await jobs.recompute(connection, {each["job"] for each in sent})
        await jobs.notify(connection, {to})
        refused = _gone(len(still) - len(chosen)) + _left(to, len(elsewhere) - len(still), len(known) - len(elsewhere))
        return _told(len(chosen), refused) | {"sent": len(sent)}


def _given_up_since(found: Sequence[Mapping[str, Any]], named: Sequence[Sequence[Any]]) -> set[int]:
    """Of the deliveries of a request those that are CANCELED and were not when they were chosen (pure)."""
    canceled = State.CANCELED.value
    then = {each[1]: each[2] for each in named if len(each) > 2}  # an admin of the version before does not say it
    return {each["id"] for each in found if each["state"] == canceled != then.get(each["id"], canceled)}


def _told(deliveries: int, refused: Sequence[str]) -> dict[str, Any]:
    return {"deliveries": deliveries} | ({"refused": list(refused)} if refused else {})


def _gone(count: int) -> list[str]:
    """Why so many deliveries are let be, with the cure (pure)."""
    if not count:
        return []
    are = "1 instance was" if count == 1 else f"{count} instances were"
    return [
        f"{are} deleted or erased, there is nothing to send: have it sent to the gateway again, or fetch it with "
        "'gateway retrieve STUDY --from STATION --to GATEWAY'"
    ]


def _left(to: str, sending: int, there: int) -> list[str]:
    """Why so many deliveries are not rerouted to a station, with the cure (pure)."""
    told = []
    if sending:
        are, them = ("1 delivery is", "it") if sending == 1 else (f"{sending} deliveries are", "them")
        told.append(f"{are} being sent and let be: see what becomes of {them}, and reroute what fails")
    if there:
        told.append(f"{there} of the chosen deliveries {'goes' if there == 1 else 'go'} to {to} already")
    return told


async def _reopen(connection: Connection, again: Sequence[DictRow], concerned: set[UUID]) -> int:
    """Deliveries of these jobs wait again, and their stations are tried now, whatever rests there; how many."""
    titles = {each["destination"] for each in again}
    retried = (await connection.execute(QUERIES.retry, _keys(again))).rowcount
    await connection.execute(QUERIES.reopen_jobs, {"jobs": sorted(concerned)})
    await connection.execute(QUERIES.probe_now, {"titles": sorted(titles)})
    await jobs.recompute(connection, concerned)
    await jobs.notify(connection, titles)
    return retried


async def _chosen(connection: Connection, body: Mapping[str, Any], states: frozenset[State]) -> list[DictRow]:
    """The named deliveries that are in one of the states, locked after their jobs."""
    named = body["deliveries"]
    if len(named) > MOST:
        raise Refused(f"{len(named)} deliveries in one request: at most {MOST}")
    keys = {"received_at": [each[0] for each in named], "id": [each[1] for each in named]}
    parameters = keys | {"states": [state.value for state in states]}
    await connection.execute(plans.QUERIES.lock_ledger)
    await jobs.lock(connection, {row["job"] for row in await _fetch(connection, QUERIES.jobs_of, keys)})
    return await _fetch(connection, QUERIES.lock_chosen, parameters)


async def _fetch(connection: Connection, query: Any, parameters: Mapping[str, Any]) -> list[DictRow]:
    return await (await connection.execute(query, parameters)).fetchall()


async def _cancel(connection: Connection, chosen: Sequence[DictRow], reason: str, *, ends_jobs: bool = False) -> None:
    concerned = {each["job"] for each in chosen}
    parameters = {"reason": reason[: jobs.LONGEST_REASON]}
    await connection.execute(QUERIES.cancel, _keys(chosen) | parameters)
    if ends_jobs:
        await connection.execute(QUERIES.cancel_jobs, parameters | {"jobs": sorted(concerned)})
    await jobs.recompute(connection, concerned)
    await connection.execute(QUERIES.close_canceled_jobs, {"jobs": sorted(concerned)})


def _keys(rows: Sequence[DictRow]) -> dict[str, Any]:
    return {"received_at": [row["received_at"] for row in rows], "id": [row["id"] for row in rows]}
