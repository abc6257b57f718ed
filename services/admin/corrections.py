"""Correct and resend: another patient ID, name or accession number for what is stored, the original kept.

Storage writes a new revision of each instance; the live rule set routes it, or it goes to the station that is named.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from schemas.rules.steps import AnyStep, CharsetStep, SetStep
from services.admin.requests import Requested, carried_out, insert, refuse_unknown, target, wanted_of
from services.admin.rules import previews
from services.admin.sql import SQL
from services.admin.station_rows import all_stations
from services.dicom.transforming.checking import fault_of
from services.dicom.transforming.transformation import number_of, plain, stored
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError
from services.runtime.objects import ObjectStore

LONGEST_WHY: Final = 1000
MOST_VALUES: Final = 20
"""Of each corrected element, that the audit keeps of what it said before."""
ELEMENTS: Final = {"PatientID": "00100020", "PatientName": "00100010", "AccessionNumber": "00080050"}
"""As header facts have them."""


@dataclass(frozen=True)
class Correction:
    """What is to be said instead; None leaves what is there. ``charset``: the Specific Character Set to write it in."""

    patient_id: str | None = None
    patient_name: str | None = None
    accession: str | None = None
    charset: str | None = None

    def given(self) -> list[tuple[str, str]]:
        """Each element that is corrected, with its new value."""
        tags = {"PatientID": self.patient_id, "PatientName": self.patient_name, "AccessionNumber": self.accession}
        return [(tag, value) for tag, value in tags.items() if value is not None]

    def steps(self) -> list[AnyStep]:
        """As steps of a transformation. Raises ``UsageError`` for what cannot be written."""
        given: list[AnyStep] = [SetStep(do="set", tag=[tag], value=[value]) for tag, value in self.given()]
        if not given:
            raise UsageError("nothing is corrected: give --patient-id, --patient-name or --accession")
        steps = ([CharsetStep(do="charset", value=[self.charset])] if self.charset else []) + given
        for step in steps:
            found = fault_of(step)
            if found is not None:
                what = step.tag[0] if isinstance(step, SetStep) else "charset"
                raise UsageError(f"{what} = {found[1]}: {found[2]}")
        return steps


async def correct(
    database: Database, actor: str, uids: Sequence[str], correction: Correction, why: str, to: str | None,
    once: UUID | None = None,
) -> Requested:  # fmt: skip
    """Have studies, series or instances corrected and sent: to the station ``to``, or where the live rule set says.
    ``once`` as ``requests.insert`` has it.

    Raises ``NotFound`` for a UID that names nothing stored, ``Refused`` if the station may not be sent to or one of the
    instances cannot be corrected, ``UsageError`` for what cannot be written and for what is no UID.
    """
    wanted, steps = wanted_of(uids), plain(correction.steps())
    if not why.strip() or len(why) > LONGEST_WHY:
        raise UsageError(f"--why: say in at most {LONGEST_WHY} characters why it is corrected")

    async def work(conn: Connection) -> UUID:
        station = None if to is None else target(await all_stations(conn), to)
        cursor = await conn.execute(SQL.unknown_of, {"uids": wanted, "states": ["STORED"]})
        refuse_unknown(await cursor.fetchall())
        body = {"uids": wanted, "steps": steps, "why": why.strip(), "to": station and station.title}
        before = await _values(conn, wanted, correction)
        return await insert(conn, actor, "correct", body, once, before)

    return await carried_out(database, await database.retry(work))


async def _values(conn: Connection, uids: Sequence[str], correction: Correction) -> dict[str, Any]:
    """What the corrected elements say now, for the audit: each value that one of the instances has."""
    tags = {ELEMENTS[name]: name for name, _ in correction.given()}
    asked = {"uids": list(uids), "elements": list(tags), "most": MOST_VALUES}
    rows = await (await conn.execute(SQL.values_of, asked)).fetchall()
    return {"values": {tags[row["element"]]: row["values"] for row in rows}}


async def preview(
    database: Database, objects: ObjectStore, uid: str, correction: Correction, largest: int
) -> dict[str, Any]:
    """What would become of an instance, or of the first one of a study or series. Changes nothing.

    Raises as ``correct``.
    """
    steps = plain(correction.steps())
    found, key = await previews.instance(database, uid)
    change = stored(number_of(steps), steps, key)
    told = {"instance": found["sop_instance_uid"], "revision": found["revision"]}
    return told | await asyncio.to_thread(previews.compared, objects, found, change, largest)
