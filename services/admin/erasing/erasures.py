"""Erasures and their proofs, for who looks at them. None says who the patient is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.admin.erasing.asking import hmac_of
from services.admin.erasing.search import QUERIES
from services.admin.erasing.whose import Patient
from services.admin.errors import NotFound, Refused
from services.runtime.db import Database

BEGINNING: Final[Mapping[str, datetime | str | None]] = {"after_at": None, "after_key": None}


async def list_erasures(
    database: Database, patient: Patient | None, limit: int, after: Mapping[str, Any] = BEGINNING,
    words: Sequence[str] = (),
) -> list[dict[str, Any]]:  # fmt: skip
    """The newest first; those of ``patient``, or all. ``after``: asked for before that one; ``words``: that stand in
    who asked, why, or the state, in any case."""
    async with database.transaction() as conn:
        values = {"hmac": patient and await hmac_of(conn, patient), "limit": limit, "words": list(words), **after}
        return await (await conn.execute(QUERIES.list_erasures, values)).fetchall()


async def show(database: Database, number: UUID) -> dict[str, Any]:
    """An erasure, how far it is, and its proof as text when it has ended well. Raises ``NotFound``."""
    async with database.transaction() as conn:
        row = await (await conn.execute(QUERIES.get_erasure, {"id": number})).fetchone()
    if row is None:
        raise NotFound(f"erasure {number} does not exist; 'gateway patients erasures list' shows those there are")
    return row


async def proof(database: Database, number: UUID) -> str:
    """The proof as it was written, whose SHA-256 the audit has. Raises ``NotFound``, ``Refused`` if there is none."""
    found = await show(database, number)
    if found["proof"] is None:
        raise Refused(f"erasure {number} is {found['state']}: only what is ERASED has a proof")
    return str(found["proof"])
