"""The use case: a person has a patient erased, or is shown what that would be."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from services.admin.changes import audit
from services.admin.erasing import gate
from services.admin.erasing.places import PLACES
from services.admin.erasing.search import QUERIES, Stored, stored_of
from services.admin.erasing.sought import Sought
from services.admin.erasing.whose import Content, Patient, counted
from services.admin.errors import NotFound, Refused
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError

LONGEST_WHY: Final = 1000
LONGEST_ID: Final = 256


@dataclass(frozen=True)
class Wish:
    """Who is to be erased and why. ``issuer`` None: whoever has issued the ID, if that is one; ``force``: what is still
    to be done with the data is given up."""

    patient_id: str
    why: str
    issuer: str | None = None
    force: bool = False


async def erase(database: Database, actor: str, wish: Wish) -> dict[str, Any]:
    """Have a patient erased: the erasure as it is then, with its id. It goes on by itself, and ends with a proof.

    Raises ``NotFound`` if nothing is kept of the patient, ``Refused`` while something is open and for a patient that is
    being erased, ``UsageError`` for what cannot be.
    """
    _check(wish)

    async def work(conn: Connection) -> dict[str, Any]:
        stored, sought = await _found(conn, wish)
        if sought.named_anyhow(wish.why):
            raise UsageError(
                "why: it names the patient, and stays in the proof: say it without ID, name and accession number; "
                "short ones count too"
            )
        told = await _told(conn, stored, sought)
        refused = "" if wish.force else gate.refusal(told["open"])
        if refused:
            raise Refused(refused)
        return told | await _insert(conn, actor, wish, stored.patient)

    return await database.retry(work)


async def preview(database: Database, wish: Wish) -> dict[str, Any]:
    """What would be erased, and what is open; changes nothing. Raises as ``erase``, but not for what is open."""
    _check(wish)

    async def work(conn: Connection) -> dict[str, Any]:
        return await _told(conn, *await _found(conn, wish))

    return await database.retry(work)


async def hmac_of(conn: Connection, patient: Patient) -> str:
    """What stands for the patient in proofs: who does not know the ID cannot tell it from this."""
    (row,) = await (await conn.execute(QUERIES.hmac_key)).fetchall()
    text = f"{patient.issuer}\0{patient.patient_id}".encode()
    return hmac.new(bytes(row["key"]), text, hashlib.sha256).hexdigest()


def _check(wish: Wish) -> None:
    if not 1 <= len(wish.patient_id.strip()) <= LONGEST_ID:
        raise UsageError(f"Patient ID of {len(wish.patient_id)} characters: give one of 1 to {LONGEST_ID}")
    if not wish.why.strip() or len(wish.why) > LONGEST_WHY:
        raise UsageError(f"why: say in at most {LONGEST_WHY} characters why the patient is erased; the proof keeps it")


async def _found(conn: Connection, wish: Wish) -> tuple[Stored, Sought]:
    issuer = None if wish.issuer is None else wish.issuer.strip()
    stored = await stored_of(conn, wish.patient_id.strip(), issuer)
    return stored, Sought.of(stored.patient, stored.contents)


async def _told(conn: Connection, stored: Stored, sought: Sought) -> dict[str, Any]:
    """Counts, without anything that names the patient. Raises ``NotFound``."""
    places = {place.name: await place.count(conn, sought) for place in PLACES}
    if not stored.contents and not any(places.values()):
        raise NotFound(
            "nothing is kept of a patient of that ID and issuer; 'gateway studies list' shows what is stored"
        )
    return counted(stored.contents) | {"places": places, "open": await _open(conn, stored.contents)}


async def _open(conn: Connection, contents: Sequence[Content]) -> dict[str, int]:
    values = {
        "uids": [each.sop_instance_uid for each in contents],
        "revisions": [each.revision for each in contents],
    }
    (row,) = await (await conn.execute(QUERIES.open_work, values)).fetchall()
    return row


async def _insert(conn: Connection, actor: str, wish: Wish, patient: Patient) -> dict[str, Any]:
    number: UUID = uuid4()
    why = wish.why.strip()
    values = {"id": number, "hmac": await hmac_of(conn, patient), "why": why, "forced": wish.force, "actor": actor}
    row = await (await conn.execute(QUERIES.insert_erasure, values | vars(patient))).fetchone()
    if row is None:
        (other,) = await (await conn.execute(QUERIES.open_of_patient, values)).fetchall()
        raise Refused(f"this patient is being erased: see 'gateway patients erasures show {other['id']}'")
    await audit(conn, actor, "request.erase", str(number), None, {"why": why, "force": wish.force})
    return row
