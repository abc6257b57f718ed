"""What people ask for, carried out once: the answer in ``commitment.request_done`` is the effect."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from services.commitment import changes, ledger
from services.commitment.askable import refusal
from services.commitment.states import State
from services.commitment.stations import Stations
from services.dicom.profile import Profile
from services.runtime.db import Connection, Database, load_queries
from services.runtime.requests import CarryOut, Refused

QUERIES = load_queries(__package__, "carry_out.sql")
CANCELED_BY = "cancelled by "
"""How the reason of what a person gave up begins."""


class Requests(CarryOut):
    """The use cases *retry*, *cancel* and *erase*."""

    def __init__(self, database: Database, stations: Stations, profile: Profile) -> None:
        kinds = {"retry-commitment": self._retry, "cancel-commitment": self._cancel, "erase": _erase}
        super().__init__(database, QUERIES, kinds, stations.refresh)
        self._stations, self._profile = stations, profile

    async def _retry(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """R112: a new request for what is not committed; the old one takes no reports any more."""
        old = await _commitment(connection, row["body"])
        _check_failed(old)
        impossible = refusal(old["server"], self._stations.get(old["server"]), self._profile)
        if impossible:
            raise Refused(impossible)
        new, instances = await repeat(connection, old["id"], requested_by=row["requested_by"])
        if not instances:
            raise Refused(f"commitment {old['id']} has no instance that is not committed: nothing is to be asked again")
        await changes.announce(connection, [new])
        await ledger.notify(connection)
        return {"commitment": str(new), "instances": instances}

    async def _cancel(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        found = await _commitment(connection, row["body"])
        if found["closed"]:
            raise Refused(
                f"commitment {found['id']} is {found['state']} and closed: only open ones can be cancelled; look with "
                "'gateway commitments list'"
            )
        await _give_up(connection, [found["id"]], row["requested_by"])
        return {"commitment": str(found["id"])}


async def _erase(connection: Connection, row: DictRow) -> dict[str, Any]:
    """Of a patient that is erased nothing is asked any more; reports and flags name UIDs alone, and stay."""
    named = {"erasure": row["body"]["erasure"]}
    found = await (await connection.execute(QUERIES.lock_open_of_erasure, named)).fetchall()
    await _give_up(connection, [each["id"] for each in found], row["requested_by"])
    return {"commitments": len(found)}


async def _give_up(connection: Connection, commitments: Sequence[UUID], by: str) -> None:
    for commitment in commitments:
        await connection.execute(QUERIES.cancel, {"commitment": commitment, "reason": f"{CANCELED_BY}{by}"[:500]})
    await changes.announce(connection, commitments)


async def repeat(
    connection: Connection,
    commitment: UUID,
    *,
    requested_by: str,
    delay_seconds: float = 0.0,
    with_sent_again: bool = True,
) -> tuple[UUID, int]:
    """A new commitment, QUEUED, for what is not committed of another one, which is closed.

    Returns its id and how many instances it has; 0: everything is committed, and nothing was done. ``with_sent_again``:
    those too that are sent again, and so get an item of their own.
    """
    new = uuid4()
    parameters = {
        "new": new,
        "commitment": commitment,
        "requested_by": requested_by,
        "delay": delay_seconds,
        "with_sent_again": with_sent_again,
    }
    if await (await connection.execute(QUERIES.repeat, parameters)).fetchone() is None:
        return new, 0
    items = await (await connection.execute(QUERIES.repeat_items, parameters)).fetchall()
    await connection.execute(QUERIES.close, parameters)
    return new, len(items)


async def _commitment(connection: Connection, body: Mapping[str, Any]) -> DictRow:
    try:
        number = UUID(str(body["commitment"]))
    except ValueError:
        raise Refused(
            f"commitment {body['commitment']!r} is no commitment id; look with 'gateway commitments list'"
        ) from None
    row = await (await connection.execute(QUERIES.lock_commitment, {"commitment": number})).fetchone()
    if row is None:
        raise Refused(f"commitment {number} does not exist; look with 'gateway commitments list'")
    return row


def _check_failed(old: DictRow) -> None:
    if old["state"] != State.FAILURE:
        raise Refused(
            f"commitment {old['id']} is {old['state']}: only those that are FAILURE can be asked again; cancel it "
            f"before with 'gateway commitments cancel {old['id']}' if it is not to be waited for"
        )
    if old["repeated_by"] is not None:
        raise Refused(
            f"commitment {old['id']} was asked again as {old['repeated_by']}; if that failed too, "
            f"'gateway commitments retry {old['repeated_by']}'"
        )
